"""What a server sends is taken for the file only if it is the file, within stated limits; else the next source is asked."""

import gzip
import re
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from hourglass.console.errors import UserError
from hourglass.data.remote.fetch import fetch
from hourglass.data.remote.http import ATTEMPTS, MAX_REDIRECTS, Pace

CONTENT = b"".join(number.to_bytes(4, "big") for number in range(64_000))  # no two parts are alike
HALF = len(CONTENT) // 2
FAST = Pace(least=1000, window=0.1)
Answer = Callable[[BinaryIO, dict[str, str], int], None]  # to a connection, the request's headers, its number


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """Answer every connection by a function that writes whatever it likes; yield the address."""
    numbers = iter(range(1000))

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            lines = iter(lambda: self.rfile.readline().decode().strip(), "")
            headers = dict(line.split(": ", 1) for line in lines if ": " in line)
            with suppress(OSError):
                answer(cast(BinaryIO, self.wfile), headers, next(numbers))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


def always(status: str, *headers: str, body: bytes = b"") -> Answer:
    """Give the same answer to every request."""
    head = "\r\n".join((f"HTTP/1.1 {status}", *headers, "Connection: close", "", ""))
    return lambda connection, _request, _number: write(connection, head.encode() + body)


def whole(body: bytes, *headers: str) -> Answer:
    """Answer with a body of a stated length."""
    return always("200 OK", f"Content-Length: {len(body)}", *headers, body=body)


def write(connection: BinaryIO, data: bytes) -> None:
    connection.write(data)
    connection.flush()


def refusal(tmp_path: Path, answer: Answer, name: str = "images.csv", max_bytes: int = 10**6) -> str:
    """Return what is said of a server; the next source is taken, and nothing else is left."""
    (tmp_path / "next").write_bytes(CONTENT)
    with serving(answer) as address:
        with pytest.raises(UserError) as refused:
            fetch(tmp_path / "raw" / name, [address], (), "", max_bytes, wait=lambda _: None)
        urls = [address, f"{tmp_path}/next"]
        taken = fetch(tmp_path / "raw" / name, urls, (), "", max_bytes, wait=lambda _: None)
    assert taken == f"{tmp_path}/next"
    assert [path.name for path in (tmp_path / "raw").iterdir()] == [name]
    return str(refused.value)


PAGE = b"<html><body>Please log in</body></html>"
REFUSED: dict[str, tuple[Answer, str]] = {
    "no content": (always("204 No Content"), "HTTP status 204"),
    "empty": (always("200 OK", "Content-Length: 0"), "expected a file, got an empty one"),
    "no body": (always("200 OK"), "expected a file, got an empty one"),
    "a part": (
        always("206 Partial Content", "Content-Length: 9", "Content-Range: bytes 0-8/100", body=b"a,b,c,d,e"),
        "HTTP status 206",
    ),
    "not yet there": (always("202 Accepted", "Content-Length: 2", body=b"{}"), f"HTTP status 202, {ATTEMPTS} times"),
    "type of a page": (whole(b"1,2", "Content-Type: text/html; charset=utf-8"), "got an answer of type 'text/html'"),
    "type of JSON": (whole(b"1,2", "Content-Type: application/problem+json"), "of type 'application/problem"),
    "page": (whole(PAGE), "got a web page"),
    "page behind a comment": (whole(b"<!-- " + b"x" * 999 + b" -->\n" + PAGE), "got a web page"),
    "page behind a mark": (whole(b"\xef\xbb\xbf\n" + PAGE), "got a web page"),
    "page in UTF-16": (whole(PAGE.decode().encode("utf-16")), "got a web page"),
    "page in XHTML": (whole(b'<?xml version="1.0"?><!DOCTYPE html>' + PAGE), "got a web page"),
    "packed page": (whole(gzip.compress(PAGE)), "got a web page"),
    "encoded": (whole(gzip.compress(b"1,2"), "Content-Encoding: gzip"), "got it encoded as 'gzip'"),
    "JSON": (whole(b'\n{"error": "no such file"}'), r'got JSON, perhaps an error: {"error": "no such file"}'),
    "XML": (whole(b"<Error><Code>AccessDenied</Code></Error>"), "got a web page (HTML) or XML"),
    "too large": (whole(b"1" * 1_000_001), "expected at most 1,000,000 bytes (`max_bytes`), got 1,000,001 or more"),
    "redirect to a file": (always("302 Found", "Location: file:///etc/hostname"), "got one to 'file:///etc/hostname'"),
    "redirect to nothing": (always("302 Found", "Location: http://[bad/"), "expected a valid address"),
    "redirect to a long name": (always("302 Found", f"Location: http://{'a' * 64}.com/"), "expected a valid address"),
    "redirect to itself": (always("302 Found", "Location: /"), f"expected at most {MAX_REDIRECTS} redirects"),
    "redirect without a place": (always("302 Found"), "HTTP status 302"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_an_answer_that_is_not_the_file(tmp_path: Path, kind: str) -> None:
    answer, said = REFUSED[kind]
    assert said in refusal(tmp_path, answer)


def test_what_only_looks_odd_is_taken(tmp_path: Path) -> None:
    packed = gzip.compress(CONTENT)
    taken = {
        "a.gz": (whole(packed, "Content-Encoding: x-gzip"), packed),  # of which servers are fond
        "b.bin": (whole(b"1,2", "Content-Encoding: aws-chunked"), b"1,2"),  # as some buckets say, and send it as it is
        "raw.bin": (whole(b"<html" + bytes(100)), b"<html" + bytes(100)),
        "names.json": (whole(b"{}", "Content-Type: application/json"), b"{}"),
        "table.csv": (whole(b"[1],2"), b"[1],2"),
    }
    for name, (answer, content) in taken.items():
        with serving(answer) as address:
            fetch(tmp_path / name, [address], (), "")
        assert (tmp_path / name).read_bytes() == content


def test_who_sends_no_end_is_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(always("200 OK", body=b"1,2")) as address:
        fetch(tmp_path / "table.csv", [address], (), "")
    assert "warning: table.csv: the server did not say how large it is" in capsys.readouterr().out
    with serving(always("200 OK", "Transfer-Encoding: chunked", body=b"3\r\n1,2\r\n0\r\n\r\n")) as address:
        fetch(tmp_path / "table.csv", [address], (), "")
    assert (tmp_path / "table.csv").read_bytes() == b"1,2"
    assert capsys.readouterr().out == ""


def test_a_chunked_body_that_breaks_off(tmp_path: Path) -> None:
    cut = always("200 OK", "Transfer-Encoding: chunked", body=b"3\r\n1,2\r\n9\r\n3,4")
    assert f"broke off (ProtocolError), {ATTEMPTS} times" in refusal(tmp_path, cut)


def resumed(*headers: str, rest: bytes = CONTENT[HALF:]) -> Answer:
    """Stop after half of the content; answer a request for the rest with `headers`, and one for all rightly."""

    def answer(connection: BinaryIO, request: dict[str, str], number: int) -> None:
        if "Range" in request:
            always("206 Partial Content", *headers, body=rest)(connection, request, number)
        else:
            body = CONTENT if number else CONTENT[:HALF]
            write(connection, f'HTTP/1.1 200 OK\r\nETag: "a"\r\nContent-Length: {len(CONTENT)}\r\n\r\n'.encode() + body)

    return answer


RANGE = f"Content-Range: bytes {HALF}-{len(CONTENT) - 1}/{len(CONTENT)}"
RIGHT = ('ETag: "a"', f"Content-Length: {HALF}", RANGE)


@pytest.mark.parametrize(
    ("headers", "rest"),
    [
        (RIGHT, CONTENT[HALF:]),
        (('ETag: "b"', *RIGHT[1:]), CONTENT[:HALF]),  # the file was replaced halfway
        (RIGHT[:2], CONTENT[:HALF]),
        ((*RIGHT[:2], RANGE.replace(f"{HALF}-", "0-")), CONTENT[:HALF]),
        ((*RIGHT[:2], RANGE.replace(f"/{len(CONTENT)}", "/999999")), CONTENT[:HALF]),
        ((RIGHT[0], "Content-Length: 9", RANGE.replace(f"-{len(CONTENT) - 1}/", f"-{HALF + 8}/")), CONTENT[:9]),
        ((RIGHT[0], "Content-Length: 9", RANGE), CONTENT[HALF : HALF + 9]),
    ],
)
def test_the_rest_is_that_of_the_same_file(tmp_path: Path, headers: tuple[str, ...], rest: bytes) -> None:
    with serving(resumed(*headers, rest=rest)) as address:
        fetch(tmp_path / "raw.bin", [address], (), "", wait=lambda _: None)
    assert (tmp_path / "raw.bin").read_bytes() == CONTENT


def drip(before: bytes, each: bytes, pause: float, times: int = 10**9) -> Answer:
    """Write `before`, then `each` as many times as said, with a pause in seconds behind each."""

    def answer(connection: BinaryIO, _request: dict[str, str], _number: int) -> None:
        write(connection, before)
        for _ in range(times):
            write(connection, each)
            time.sleep(pause)

    return answer


SLOW: dict[str, Answer] = {
    "body": drip(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", b"1", 0.02),
    "body without a length": drip(b"HTTP/1.1 200 OK\r\n\r\n", b"1", 0.02),
    "status": drip(b"HTTP/1.1 200 O", b"K", 0.02),
    "header": drip(b"HTTP/1.1 200 OK\r\nServer: ", b"x", 0.02),
    "please wait": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0),
    "chunks": drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n1\r\n", 0.02),
    "trailers": drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0\r\n", b"a: b\r\n", 0),
}
TOO_SLOW = r"fewer than 1,000 bytes in 0\.1 s"
# Newer versions of Python count these themselves.
ENDS = {
    "please wait": rf"{TOO_SLOW}|no connection \(ConnectionError\)",
    "trailers": rf"{TOO_SLOW}|broke off \(ProtocolError\)",
}


@pytest.mark.parametrize("kind", SLOW)
def test_a_server_that_is_too_slow(tmp_path: Path, kind: str) -> None:
    started = time.monotonic()
    with (
        serving(SLOW[kind]) as address,
        pytest.raises(UserError, match=rf"({ENDS.get(kind, TOO_SLOW)}), {ATTEMPTS} times"),
    ):
        fetch(tmp_path / "table.csv", [address], (), "", pace=FAST, wait=lambda _: None)
    assert time.monotonic() - started < 2 * ATTEMPTS * FAST.window + 5
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_slow_but_honest(tmp_path: Path) -> None:
    table = b"1,2,3,4,5,6,7,8,9,0\n"
    answer = drip(b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n", table, 0.01, 100)
    with serving(answer) as address:
        fetch(tmp_path / "table.csv", [address], (), "", pace=Pace(least=100, window=0.2))
    assert (tmp_path / "table.csv").read_bytes() == table * 100


def test_a_body_that_never_ends(tmp_path: Path) -> None:
    endless = drip(b"HTTP/1.1 200 OK\r\n\r\n", b"1" * 10_000, 0)
    assert re.search(r"expected at most 1,000,000 bytes .*, got 1,0\d\d,\d\d\d or more", refusal(tmp_path, endless))


def test_the_body_of_a_redirect_is_not_read(tmp_path: Path) -> None:
    def answer(connection: BinaryIO, request: dict[str, str], number: int) -> None:
        if number == 0:
            write(connection, b"HTTP/1.1 302 Found\r\nLocation: /there\r\n\r\n")
            with suppress(OSError):
                for _ in range(1000):
                    write(connection, bytes(1 << 20))
                    sent.append(1)
        else:
            whole(CONTENT)(connection, request, number)

    sent: list[int] = []
    with serving(answer) as address:
        fetch(tmp_path / "raw.bin", [address], (), "")
    assert (tmp_path / "raw.bin").read_bytes() == CONTENT
    assert len(sent) < 100
