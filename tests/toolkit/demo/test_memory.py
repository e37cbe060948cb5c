"""Limits of the memory of `edgecolor demo`, without Streamlit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from edgecolor.demo import memory
from edgecolor.demo.memory import (
    MAX_SESSION_BYTES,
    MAX_TOTAL_BYTES,
    MAX_UPLOAD_BYTES,
    MAX_VISITORS,
    MemoryLimits,
)

Event = dict[str, Any]


class Page:
    """An ASGI application that accepts everything; it answers when `release` is set."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.reached = 0

    async def __call__(self, scope: Any, receive: Any, send: Callable[[Event], Awaitable[None]]) -> None:
        self.reached += 1
        await self.release.wait()
        await send({"type": "http.response.start", "status": 204})


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, int]]:
    """The uploads that Streamlit keeps."""
    uploads: dict[str, dict[str, int]] = {}
    monkeypatch.setattr(memory, "kept_uploads", lambda: uploads)
    monkeypatch.setattr(memory, "count_result_bytes", lambda: 5_000)
    monkeypatch.setattr(memory, "left_sessions", lambda: ["left"])
    return uploads


async def upload(limits: MemoryLimits, session: str, length: object) -> int:
    """Return the status of an upload."""
    events: list[Event] = []

    async def send(event: Any) -> None:
        events.append(event)

    headers = [] if length is None else [(b"content-length", str(length).encode())]
    path = f"/_stcore/upload_file/{session}/file"
    scope = {"type": "http", "method": "PUT", "path": path, "headers": headers}
    await limits(scope, None, send)  # type: ignore[arg-type]
    return int(events[0]["status"])


def test_an_upload_needs_a_length(kept: object) -> None:
    async def run() -> None:
        page = Page()
        for length in (None, "", "-1", "x", "\xb2"):
            assert await upload(MemoryLimits(page), "a", length) == 411
        assert page.reached == 0

    asyncio.run(run())


@pytest.mark.parametrize(
    ("uploads", "status"),
    [
        ({}, 204),
        ({"a": {"1": MAX_SESSION_BYTES - 1000}}, 204),
        ({"a": {"1": MAX_SESSION_BYTES}}, 413),
        ({"a": {str(i): 1 for i in range(memory.MAX_SESSION_FILES)}}, 413),
        ({"b": {"1": MAX_TOTAL_BYTES - MAX_UPLOAD_BYTES}}, 204),
        ({"b": {"1": MAX_TOTAL_BYTES - 5_500}}, 413),
        ({"b": {"1": MAX_TOTAL_BYTES - 1000}}, 413),
    ],
)
def test_uploads_are_limited(
    kept: dict[str, dict[str, int]], uploads: dict[str, dict[str, int]], status: int
) -> None:
    async def run() -> None:
        page = Page()
        page.release.set()
        kept.update(uploads)
        length = 900 if status == 204 else 2_000_000
        assert await upload(MemoryLimits(page), "a", length) == status

    asyncio.run(run())


def test_uploads_on_their_way_count(kept: object) -> None:
    async def run() -> None:
        page = Page()
        limits = MemoryLimits(page)
        size = MAX_UPLOAD_BYTES - 2_000  # the results of visitors, 5000 bytes, count too
        visitors = [asyncio.create_task(upload(limits, f"{i}", size)) for i in range(4)]
        await asyncio.sleep(0)
        assert await upload(limits, "late", 4_000) == 413
        page.release.set()
        assert [await visitor for visitor in visitors] == [204] * 4
        assert await upload(limits, "late", 1000) == 204

    asyncio.run(run())


def test_visitors_are_limited_and_freed(kept: object, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []
    monkeypatch.setattr(memory, "close_sessions", closed.extend)
    monkeypatch.setattr(memory, "LEFT_SECONDS", 0)

    async def visit(limits: MemoryLimits) -> Event:
        events: list[Event] = []

        async def send(event: Any) -> None:
            events.append(event)

        await limits({"type": "websocket"}, None, send)  # type: ignore[arg-type]
        return events[0]

    async def run() -> None:
        page = Page()
        limits = MemoryLimits(page)
        visitors = [asyncio.create_task(visit(limits)) for _ in range(MAX_VISITORS)]
        await asyncio.sleep(0)
        assert await visit(limits) == {"type": "websocket.close", "code": 1013}
        assert closed == []
        page.release.set()
        await asyncio.gather(*visitors)
        while len(closed) < MAX_VISITORS:
            await asyncio.sleep(0.01)
        assert closed == ["left"] * MAX_VISITORS
        assert (await visit(limits))["type"] != "websocket.close"

    asyncio.run(run())


def test_several_uploads_of_a_visitor_are_limited_together(kept: dict[str, dict[str, int]]) -> None:
    async def run() -> None:
        page = Page()
        limits = MemoryLimits(page)
        kept["a"] = {"1": 1}
        arriving = [asyncio.create_task(upload(limits, "a", MAX_UPLOAD_BYTES // 2)) for _ in range(4)]
        await asyncio.sleep(0)
        assert await upload(limits, "a", 2_000_000) == 413
        page.release.set()
        assert [await task for task in arriving] == [204] * 4
        page.release.clear()
        kept["a"] = {str(i): 1 for i in range(memory.MAX_SESSION_FILES - 2)}
        arriving = [asyncio.create_task(upload(limits, "a", 10)) for _ in range(2)]
        await asyncio.sleep(0)
        assert await upload(limits, "a", 10) == 413
        page.release.set()
        assert [await task for task in arriving] == [204] * 2

    asyncio.run(run())


def test_a_zip_of_results_counts(kept: dict[str, dict[str, int]]) -> None:
    async def run() -> None:
        page = Page()
        page.release.set()
        limits = MemoryLimits(page)
        with memory.reserve_zip("a") as size:
            assert size == memory.MAX_ZIP_BYTES
            kept["a"] = {"1": MAX_SESSION_BYTES - size - 1000}
            assert await upload(limits, "a", 2_000_000) == 413
            assert await upload(limits, "b", 2_000_000) == 204
        assert await upload(limits, "a", 2_000_000) == 204
        kept["a"] = {"1": MAX_SESSION_BYTES - 2_000}
        with memory.reserve_zip("a") as size:
            assert size == 2_000
        kept["b"] = {"1": MAX_TOTAL_BYTES - kept["a"]["1"] - 6_000}
        with memory.reserve_zip("a") as size, memory.reserve_zip("c") as other:
            assert (size, other) == (1_000, 0)

    asyncio.run(run())
