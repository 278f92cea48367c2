"""The one runner of the firmware's unit tests, under MicroPython and CPython.

    MICROPYPATH=tests:.:fakes:LIB:.frozen micropython tests/run.py [NAME ...]
    PYTHONPATH=tests:.:fakes:LIB          python3     tests/run.py [NAME ...]

LIB holds `umqtt`. NAME is a file `tests/NAME.py`; without one, every `tests/test_*.py`. In a file every
`test_*` function is a test, `async def` or not. Ends with 1 if one failed or none was found.
"""

import sys

if sys.implementation.name == "cpython":
    import on_cpython

    on_cpython.install()

import asyncio
import gc
import os


def _folder():
    here = __file__.replace("\\", "/")
    return here[: here.rfind("/")] if "/" in here else "."


def _names():
    if len(sys.argv) > 1:
        return sys.argv[1:]
    return sorted(
        name[:-3] for name in os.listdir(_folder()) if name.startswith("test_") and name.endswith(".py")
    )


def _complain(error):
    if hasattr(sys, "print_exception"):
        sys.print_exception(error)
    else:
        sys.excepthook(type(error), error, error.__traceback__)


def _run(name, function):
    gc.collect()
    try:
        result = function()
        if hasattr(result, "send"):  # a coroutine
            asyncio.run(asyncio.wait_for(result, 30))
        return True
    except Exception as error:
        print("FAILED", name)
        _complain(error)
        return False


def main():
    """Run what was asked for; prints one closing line."""
    passed = failed = 0
    for name in _names():
        module = __import__(name)
        for key in sorted(dir(module)):
            function = getattr(module, key)
            if not key.startswith("test_") or not callable(function):
                continue
            if _run(name + "." + key, function):
                passed += 1
            else:
                failed += 1
    print(passed, "passed,", failed, "failed")
    return failed or not passed


sys.exit(1 if main() else 0)
