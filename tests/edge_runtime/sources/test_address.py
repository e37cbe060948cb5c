"""Addresses are shown without user, password and keys."""

from __future__ import annotations

import pytest

from edgecolor_runtime.sources.address import hide_secrets


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://192.168.1.9/live", "rtsp://192.168.1.9/live"),
        ("rtsp://admin:secret@192.168.1.9:554/live", "rtsp://***@192.168.1.9:554/live"),
        ("rtsp://admin@cam/live", "rtsp://***@cam/live"),
        ("rtsp://admin:se@cr/e?t@cam/live", "rtsp://***@cam/live"),
        ("http://[fe80::1]:80/v?channel=1", "http://[fe80::1]:80/v?channel=1"),
        ("http://cam/v.cgi?user=admin&pwd=secret&channel=1", "http://cam/v.cgi?user=***&pwd=***&channel=1"),
        ("http://cam/v.cgi?loginuse=admin&loginpas=secret", "http://cam/v.cgi?loginuse=***&loginpas=***"),
        ("http://cam/v?u=admin&p=secret&fps=5", "http://cam/v?u=***&p=***&fps=5"),
        ("http://cam/v?API_KEY=secret#x", "http://cam/v?API_KEY=***#x"),
        ("rtsp://cam/user=admin_password=secret_channel=1.sdp", "rtsp://cam/user=***"),
        ("rtsp://cam/user=admin&password=secret&channel=1", "rtsp://cam/user=***&password=***&channel=1"),
        ("admin:secret@cam", "***@cam"),
        ("/dev/video0", "/dev/video0"),
        ("Webcam 1", "Webcam 1"),
    ],
)
def test_secrets_are_hidden(address: str, shown: str) -> None:
    assert hide_secrets(address) == shown
