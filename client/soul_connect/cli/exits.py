"""How a command ends: one sentence for people, one number for scripts."""

# ruff: noqa: PLC0415 (a command imports what it needs when it runs: see __init__)

import os
import sys
import traceback
from enum import IntEnum
from typing import Protocol, runtime_checkable

from soul_connect.cli.plain import plain


class Exit(IntEnum):
    """The exit codes."""

    DONE = 0
    REJECTED = 1
    USAGE = 2
    UNREACHABLE = 3
    REFUSED = 4
    NO_DEVICE = 5
    INTERRUPTED = 130


RENEWAL = "A new one comes from `soul-connect login URL`, or from `soul-connect token NAME` on the server."
"""What to do where a token is refused, or ends."""


class CliError(Exception):
    """The command ends here: the text is one sentence, what happened and what to do."""

    def __init__(self, code: Exit, message: str) -> None:
        super().__init__(message)
        self.code = code


@runtime_checkable
class _UsageError(Protocol):
    """What typer raises for a bad command line, by its shape: it brings its own copy of click."""

    exit_code: int

    def format_message(self) -> str: ...


def one_line(text: str) -> str:
    """A text as one sentence."""
    line = plain(" ".join(text.split()))
    return line if not line or line[-1] in ".!?" else f"{line}."


def end_with(error: BaseException) -> int:
    """Say on stderr what went wrong; returns the exit code."""
    code, sentence = explain(error)
    if sentence:
        # The help that is shown for want of a command is no complaint.
        start = "" if sentence.startswith("Usage: ") else "soul-connect: "
        print(f"{start}{sentence}", file=sys.stderr)  # noqa: T201 (this is what a command line does)
    return code


def is_closed_pipe(error: BaseException) -> bool:
    """Whether whoever read our output has gone; a task group wraps what ended it."""
    if isinstance(error, BaseExceptionGroup):
        return error.subgroup(BrokenPipeError) is not None
    return isinstance(error, BrokenPipeError)


def explain(error: BaseException) -> tuple[Exit, str]:
    """The exit code and the sentence for an error; the sentence may be empty."""
    if isinstance(error, CliError):
        return error.code, str(error)
    if isinstance(error, KeyboardInterrupt) or type(error).__name__ == "Abort":
        return Exit.INTERRUPTED, ""
    if is_closed_pipe(error):
        return Exit.DONE, ""
    if type(error).__name__ == "NoArgsIsHelpError":
        return Exit.USAGE, str(error)
    if isinstance(error, _UsageError):
        return Exit.USAGE, one_line(error.format_message().replace("Value error, ", ""))
    return _explain_ours(error)


def _explain_ours(error: BaseException) -> tuple[Exit, str]:
    from soul_connect import errors
    from soul_connect.device_file import DeviceFileError
    from soul_connect.players.engine import EngineError
    from soul_connect.settings import SettingsError

    match error:
        case SettingsError() | DeviceFileError():
            return Exit.USAGE, one_line(str(error))
        case errors.CertificateError():
            text = one_line(str(error))
            advice = "Give the server's authority with --ca FILE or SOUL_CONNECT_CA."
            return Exit.UNREACHABLE, f"{text[:1].upper()}{text[1:]} {advice}"
        case errors.UnreachableError() | errors.NotConnectedError():
            return Exit.UNREACHABLE, one_line(str(error))
        case errors.TokenRefusedError():
            return Exit.REFUSED, (
                "The server refused the token: it has expired or was revoked, or this device was forgotten. "
                + RENEWAL
            )
        case errors.DeviceLimitError():
            return Exit.REJECTED, (
                "All device places are taken: `soul-connect devices` lists yours, "
                "and `soul-connect forget DEVICE` frees a place."
            )
        case errors.LinkError():
            return Exit.REJECTED, one_line(str(error))
        case errors.RequestError():
            return _explain_request(error)
        case EngineError():
            return Exit.USAGE if error.code == "engine_missing" else Exit.REJECTED, one_line(str(error))
        case ValueError() | OSError():
            text = one_line(_first_problem(error))
            return Exit.USAGE, f"{text[:1].upper()}{text[1:]}"
    if os.environ.get("SOUL_CONNECT_DEBUG"):
        traceback.print_exception(error)
    return Exit.REJECTED, (
        f"Something went wrong inside the program ({type(error).__name__}: {one_line(str(error))}). "
        "SOUL_CONNECT_DEBUG=1 shows where."
    )


def _explain_request(error: BaseException) -> tuple[Exit, str]:
    from soul_connect import errors
    from soul_protocol.errors import Code

    match error:
        case errors.RateLimitedError(retry_after_ms=int(wait_ms)):
            return Exit.REJECTED, f"Too many commands: try again in {max(1, round(wait_ms / 1000))} s."
        case errors.RejectedError(code=code):
            exit_code, sentence = _SENTENCES.get(code, (Exit.REJECTED, ""))
            return exit_code, sentence or one_line(str(error))
        case errors.NoAnswerError():
            return Exit.NO_DEVICE, "No answer came in time: whether it was done is not known."
        case errors.ExpiredError(sent=False):
            return Exit.UNREACHABLE, "The connection to the server was lost, and the command was never sent."
        case errors.ExpiredError():
            return Exit.NO_DEVICE, "The command took too long to arrive and was dropped; try again."
        case errors.RequestError(code=Code.NOT_AUTHORIZED):
            return Exit.REFUSED, one_line(str(error))
    return Exit.REJECTED, one_line(str(error))


_SENTENCES: dict[str, tuple[Exit, str]] = {
    "not_authorized": (Exit.REFUSED, "This token may not do that."),
    "device_offline": (Exit.NO_DEVICE, "The device is offline."),
    "timeout": (Exit.NO_DEVICE, "The device did not answer."),
    "no_active_device": (
        Exit.REJECTED,
        "No device is active: name one with --on DEVICE, or `soul-connect transfer DEVICE`.",
    ),
    "not_active": (Exit.REJECTED, "The music is on another device now; `soul-connect status` says where."),
    "device_not_found": (Exit.REJECTED, "There is no such device; `soul-connect devices` lists yours."),
    "unsupported": (
        Exit.REJECTED,
        "That device plays no music, or its queue has nothing that it can play (`soul-connect queue FILE`).",
    ),
    "transfer_failed": (Exit.REJECTED, "The music could not be handed over; it stays where it was."),
    "unavailable": (Exit.REJECTED, "The server cannot save anything at the moment; try again later."),
}


def _first_problem(error: BaseException) -> str:
    """Pydantic's errors are long; their first problem is what to mend."""
    problems = getattr(error, "errors", None)
    if callable(problems):
        for problem in problems():
            return str(problem["msg"]).removeprefix("Value error, ")
    return str(error)
