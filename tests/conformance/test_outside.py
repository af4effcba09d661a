"""The contract of requests to other servers, over the network of this machine."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chalicelib.adapters.outside import HttpOutside, is_public, is_public_or_loopback
from chalicelib.engine.errors import AddressRefused, RequestFailed
from chalicelib.engine.outside import Letter, Outside
from tests.receiver import Receiver, receiving


@pytest.fixture
def outside() -> Outside:
    return HttpOutside(allowed=is_public_or_loopback, plain=True)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def letter(url: str, **more: Any) -> Letter:
    return Letter(method="POST", url=url, **more)


class TestSend:
    def test_carries_a_request_there_and_an_answer_back(
        self, outside: Outside, receiver: Receiver
    ) -> None:
        receiver.status, receiver.headers = 202, {"X-Kind": "test"}

        reply = outside.send(
            letter(f"{receiver.url}?a=1&b=%20#part", headers={"X-Mine": "yes"}, body=b"{}")
        )

        (sent,) = receiver.received
        assert (sent.method, sent.path, sent.body) == ("POST", "/hook?a=1&b=%20", b"{}")
        assert (sent.headers["x-mine"], sent.headers["host"]) == (
            "yes",
            f"127.0.0.1:{receiver.port}",
        )
        assert (reply.status, reply.headers["x-kind"], reply.body) == (
            202,
            "test",
            b"thank you",
        )

    def test_does_not_follow_redirects(self, outside: Outside, receiver: Receiver) -> None:
        receiver.status, receiver.headers = 302, {"Location": f"{receiver.url}/other"}

        reply = outside.send(letter(receiver.url))

        assert (reply.status, len(receiver.received)) == (302, 1)

    def test_reads_no_more_of_an_answer_than_was_asked_for(
        self, outside: Outside, receiver: Receiver
    ) -> None:
        receiver.body = b"x" * 1_000_000

        assert len(outside.send(letter(receiver.url)).body) == 64 * 1024
        assert outside.send(letter(receiver.url, max_bytes=10)).body == b"x" * 10

    def test_that_nobody_answers_fails(self, outside: Outside) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            with pytest.raises(RequestFailed, match="refused the connection"):
                outside.send(letter(f"http://127.0.0.1:{taken.getsockname()[1]}/"))

    def test_that_is_never_answered_fails_in_time(
        self, outside: Outside, receiver: Receiver
    ) -> None:
        receiver.instead = lambda _: time.sleep(2)
        began = time.monotonic()

        with pytest.raises(RequestFailed, match=r"in time|broke"):
            outside.send(letter(receiver.url, timeout_s=0.2))

        assert time.monotonic() - began < 1

    def test_that_is_answered_a_byte_at_a_time_fails_in_time(
        self, outside: Outside, receiver: Receiver
    ) -> None:
        def drip(handler: Any) -> None:
            with contextlib.suppress(OSError):
                for byte in b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1000:
                    handler.wfile.write(bytes([byte]))
                    time.sleep(0.02)

        receiver.instead = drip
        began = time.monotonic()

        with pytest.raises(RequestFailed):
            outside.send(letter(receiver.url, timeout_s=0.3))

        assert time.monotonic() - began < 1.5

    def test_that_is_answered_with_nonsense_fails(
        self, outside: Outside, receiver: Receiver
    ) -> None:
        def nonsense(handler: Any) -> None:
            handler.wfile.write(b"220 mail.example ESMTP\r\n")
            handler.close_connection = True

        receiver.instead = nonsense

        with pytest.raises(RequestFailed):
            outside.send(letter(receiver.url))

    def test_refuses_a_header_that_would_write_another(
        self, outside: Outside, receiver: Receiver
    ) -> None:
        with pytest.raises(RequestFailed):
            outside.send(letter(receiver.url, headers={"X-A": "b\r\nX-C: d"}))

        assert receiver.received == []


class TestAddresses:
    @pytest.mark.parametrize(
        "url",
        [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f.0.0.1/",
            "https://0.0.0.0/",
            "https://10.0.0.1/",
            "https://172.16.5.4/",
            "https://192.168.1.1/",
            "https://169.254.169.254/latest/meta-data/",
            "https://100.64.0.1/",
            "https://224.0.0.1/",
            "https://255.255.255.255/",
            "https://[::1]/",
            "https://[::]/",
            "https://[fe80::1]/",
            "https://[fec0::1]/",
            "https://[fd00:ec2::254]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:169.254.169.254]/",
            "https://[64:ff9b::7f00:1]/",
            "https://[2002:7f00:1::]/",
            "https://[ff02::1]/",
            "https://localhost/",
            "https://LOCALHOST/",
        ],
    )
    def test_that_are_not_public_are_refused(self, url: str) -> None:
        outside = HttpOutside()

        with pytest.raises(AddressRefused, match="not public"):
            outside.check(url)
        with pytest.raises(AddressRefused):
            outside.send(letter(url))

    @pytest.mark.parametrize(
        "address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::"]
    )
    def test_that_are_public_are_let_through(self, address: str) -> None:
        assert is_public(ip_address(address))

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "example.com",
            "http://example.com/",
            "ftp://example.com/",
            "file:///etc/passwd",
            "https://",
            "https://ann:secret@example.com/",
            "https://example.com:22/",
            "https://example.com:99999/",
            "https://exa mple.com/",
            "https://example.com/\r\nX: y",
            "https://[::1/",
        ],
    )
    def test_that_are_none_of_https_are_refused(self, url: str) -> None:
        with pytest.raises(AddressRefused) as refused:
            HttpOutside().check(url)

        assert "secret" not in str(refused.value)

    def test_of_an_unknown_name_fail(self) -> None:
        with pytest.raises(RequestFailed, match="not known"):
            HttpOutside().check("https://nowhere.invalid/")

    def test_are_refused_if_one_of_several_is_not_public(self) -> None:
        found = resolved("93.184.216.34", "10.0.0.7")

        with (
            patch("socket.getaddrinfo", return_value=found),
            pytest.raises(AddressRefused) as refused,
        ):
            HttpOutside().check("https://two.example/")

        assert "10.0.0.7" not in str(refused.value)

    def test_are_looked_up_once_so_that_a_second_answer_changes_nothing(
        self, receiver: Receiver
    ) -> None:
        looks = [resolved("127.0.0.1"), resolved("10.0.0.7")]
        asked: list[str] = []

        def look_up(host: str, *_: Any, **__: Any) -> Any:
            asked.append(host)
            return looks.pop(0) if host == "rebind.example" else real(host, *_, **__)

        real = socket.getaddrinfo
        outside = HttpOutside(allowed=lambda address: address.is_loopback, plain=True)
        with patch("socket.getaddrinfo", look_up):
            reply = outside.send(letter(f"http://rebind.example:{receiver.port}/"))

        assert (reply.status, asked.count("rebind.example")) == (200, 1)
        assert receiver.received[0].headers["host"] == f"rebind.example:{receiver.port}"


def resolved(*addresses: str) -> list[Any]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, 443)) for a in addresses]


class TestTls:
    def test_judges_the_certificate_by_the_name_and_not_by_the_address(
        self, tmp_path: Path
    ) -> None:
        certificate = self_signed(tmp_path, "hook.example")
        with serving(certificate) as port, patch_names():
            trusting = HttpOutside(allowed=lambda address: address.is_loopback)
            trusting._trust.load_verify_locations(certificate)

            reply = trusting.send(letter(f"https://hook.example:{port}/"))
            with pytest.raises(RequestFailed, match="certificate"):
                trusting.send(letter(f"https://other.example:{port}/"))
            with pytest.raises(RequestFailed, match="certificate"):
                HttpOutside(allowed=lambda address: address.is_loopback).send(
                    letter(f"https://hook.example:{port}/")
                )

        assert reply.status == 204


@contextlib.contextmanager
def patch_names() -> Iterator[None]:
    real = socket.getaddrinfo

    def look_up(host: str, *args: Any, **more: Any) -> Any:
        known = host.endswith(".example")
        return resolved("127.0.0.1") if known else real(host, *args, **more)

    with patch("socket.getaddrinfo", look_up):
        yield


@contextlib.contextmanager
def serving(certificate: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    plain, _ = listening.accept()
                except OSError:
                    return
                with contextlib.suppress(OSError), context.wrap_socket(plain, True) as one:
                    one.recv(4096)
                    one.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()


def self_signed(directory: Path, name: str) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    called = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(called)
        .issuer_name(called)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = directory / "certificate.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path
