"""WAV over HTTP: every sample, from any position, and every way in which a file can be wrong."""

from soul import wav_http
from soul.http import split
from soul.wav_http import TrackError, WavSource, read_format
from wav_server import WavServer, ramp, wav

wav_http.TRIES = 3


async def everything(source):
    view, out = memoryview(bytearray(7000)), bytearray()
    while True:
        count = await source.readinto(view)
        if not count:
            return bytes(out)
        out += view[:count]


async def serving():
    server = WavServer()
    await server.start()
    return server


async def fails(server, path, code, position=0):
    source = WavSource(server.url(path))
    try:
        await source.open(position)
        await everything(source)
    except TrackError as error:
        assert error.code == code, (path, error.code)
        await source.close()
        return
    raise AssertionError(path + " was played")


async def test_all_formats_come_whole_and_from_any_position():
    server = await serving()
    for bits in (16, 32):
        for channels in (1, 2):
            samples = ramp(4410, bits, channels)
            server.files["/a"] = wav(samples, 44100, bits, channels)
            source = WavSource(server.url("/a"))
            await source.open(0)
            assert (source.format.rate, source.format.bits, source.format.channels) == (44100, bits, channels)
            assert source.duration_ms == 100
            assert await everything(source) == samples
            await source.open(20)
            at = 882 * bits // 8 * channels
            assert await everything(source) == samples[at:]
            await source.open(99_000)
            assert await everything(source) == b""
    server.stop()


async def test_chunks_around_the_samples_are_none_of_them():
    server = await serving()
    samples = ramp(1000)
    more = (
        b"LIST"
        + (5).to_bytes(4, "little")
        + b"hello\0"
        + b"junk"
        + (90_000).to_bytes(4, "little")
        + bytes(90_000)
    )
    server.files["/a"] = wav(samples, extra=more, tail=b"LIST\x04\0\0\0abcd")
    server.files["/b"] = wav(samples, kind=0xFFFE)
    server.files["/c"] = wav(samples, size=0xFFFFFFFF)
    server.files["/d"] = wav(samples, size=0)
    server.files["/e"] = wav(samples, size=len(samples) * 2)  # cut short: what is there counts
    server.files["/f"] = wav(samples + b"xyz")  # not whole frames
    for path in ("/a", "/b", "/c", "/d", "/e", "/f"):
        source = WavSource(server.url(path))
        await source.open(0)
        assert await everything(source) == samples, path
    server.stop()


async def test_malformed_files_are_named_as_such():
    server = await serving()
    samples = ramp(1000)
    good = wav(samples)
    bad = {
        "/empty": b"",
        "/short": good[:20],
        "/text": b"<html>" + bytes(100),
        "/rifx": b"RIFX" + good[4:],
        "/no-data": good[:36],
        "/no-samples": wav(b""),
        "/no-fmt": b"RIFF\x00\x00\x00\x00WAVEdata\x04\x00\x00\x00abcd",
        "/short-fmt": b"RIFF\x00\x00\x00\x00WAVEfmt \x04\x00\x00\x00abcd" + good[36:],
        "/24-bit": wav(samples, bits=24),
        "/8-bit": wav(samples, bits=8),
        "/float": wav(samples, bits=32, kind=3),
        "/mp3-inside": wav(samples, kind=85),
        "/six-channels": wav(samples, channels=6),
        "/odd-rate": wav(samples, rate=1),
        "/odd-frame": good[:32] + b"\x05\x00" + good[34:],
        "/huge-chunk": wav(samples, extra=b"junk\xff\xff\xff\x7f"),
    }
    server.files.update(bad)
    for path in bad:
        await fails(server, path, "bad_format")
    try:
        read_format(b"")
    except TrackError as error:
        assert error.code == "bad_format"
    server.stop()


async def test_what_a_server_says_becomes_a_word():
    server = await serving()
    server.files.update({"/x": wav(ramp(1000))})
    for path, fault, code in (
        ("/none", {}, "not_found"),
        ("/x", {"status": 403}, "not_allowed"),
        ("/x", {"status": 500}, "server_error"),
        ("/x", {"status": 400}, "bad_format"),
        ("/x", {"status": 302, "location": "/x"}, "bad_format"),  # for ever
        ("/x", {"raw": b"SSH-2.0\r\n"}, "bad_format"),
        ("/x", {"raw": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"}, "bad_format"),
        ("/x", {"raw": b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 3000 + b"\r\n"}, "bad_format"),
        ("/x", {"raw": b"HTTP/1.1 200 OK\r\nServer: \xff\xfe\r\n\r\n"}, "bad_format"),
    ):
        server.faults = {path: fault}
        await fails(server, path, code)
    server.stop()
    for url in ("ftp://x/y", "nonsense", "http://", "http://x:y/z"):
        source = WavSource(url)
        try:
            await source.open(0)
        except TrackError as error:
            assert error.code == "not_found", url
    await fails(server, "/x", "unreachable")
    assert split("http://nas:81/a/b?c=d") == ("http", "nas", 81, "/a/b?c=d")
    assert split("https://nas") == ("https", "nas", 443, "/")


async def test_chunks_without_end_end():
    server = await serving()
    server.files["/a"] = wav(ramp(100), extra=b"junk\0\0\0\0" * 200)
    wav_http.SKIPPED = 1000
    await fails(server, "/a", "bad_format")
    wav_http.SKIPPED = 1 << 20
    server.stop()


async def test_an_address_is_one_request_and_no_more():
    server = await serving()
    await fails(server, "/a b\r\nX: y\r\n\r\nPOST /\u00e9\x7f%20?c", "not_found")
    assert server.asked == [("/a%20b%0D%0AX:%20y%0D%0A%0D%0APOST%20/%C3%A9%7F%20?c", None)], server.asked
    server.stop()


async def test_a_redirection_is_followed():
    server = await serving()
    samples = ramp(1000)
    server.files["/music/a"] = wav(samples)
    server.faults["/old"] = {"status": 301, "location": server.url("/older")}
    server.faults["/older"] = {"status": 307, "location": "/music/b"}
    server.faults["/music/b"] = {"status": 302, "location": "a"}
    source = WavSource(server.url("/old"))
    await source.open(0)
    assert await everything(source) == samples
    server.stop()


async def test_a_broken_connection_goes_on_where_it_broke():
    server = await serving()
    samples = ramp(20_000)
    server.files["/a"] = wav(samples)
    server.faults["/a"] = {"cut": 30_000}
    source = WavSource(server.url("/a"))
    await source.open(0)
    assert await everything(source) == samples
    assert [start for _, start in server.asked] == [None, 30_000, 60_000]
    server.stop()


async def test_a_server_that_went_away_is_the_end_of_it():
    server = await serving()
    server.files["/a"] = wav(ramp(20_000))
    server.faults["/a"] = {"cut": 30_000}
    source = WavSource(server.url("/a"))
    await source.open(0)
    server.faults["/a"] = {"status": 503}
    try:
        await everything(source)
    except TrackError as error:
        assert error.code == "connection_lost"
    else:
        raise AssertionError("it went on")
    server.stop()


async def test_without_range_a_little_is_read_and_thrown_away_and_much_is_not():
    server = await serving()
    samples = ramp(20_000)
    server.files["/a"] = wav(samples)
    server.faults["/a"] = {"no_range": True}
    source = WavSource(server.url("/a"))
    wav_http.SKIPPED = 20_000
    await source.open(100)
    view = memoryview(bytearray(4000))
    count = await source.readinto(view)
    assert bytes(view[:count]) == samples[4410 * 4 : 4410 * 4 + count]
    await source.close()
    await fails(server, "/a", "no_seek", 200)
    wav_http.SKIPPED = 1 << 20
    server.stop()
