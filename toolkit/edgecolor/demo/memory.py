"""Uploads and results in the memory of the server: they are limited, and freed when a visitor leaves.

Streamlit keeps uploads by session, and a session for minutes after its page is closed, without a limit on the
sum. Starlette writes uploads of more than 1 MB to a file in between.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus

from edgecolor.demo.access import App, Event, Receive, Send, answer, read_headers

MAX_UPLOAD_BYTES = 300 << 20  # of a file: an uncompressed scan with as many pixels as a picture may have
MAX_SESSION_BYTES = 2 * MAX_UPLOAD_BYTES  # of a visitor: uploads, and a zip while it is written
MAX_SESSION_FILES = 100
MAX_ZIP_BYTES = MAX_UPLOAD_BYTES  # of a zip of results
MAX_TOTAL_BYTES = 4 * MAX_UPLOAD_BYTES  # of all visitors: uploads and results
MAX_VISITORS = 16  # pages that are open at the same time
LEFT_SECONDS = 12  # a page that lost its connection may come back within this time
FORM_BYTES = 1 << 20  # what a browser may add to the file that it uploads

_UPLOADS = "/_stcore/upload_file/"  # then the session, "/", and the file

_reserved: list[tuple[str, int]] = []  # session and bytes of arriving uploads and of zips that are written
_reserving = threading.Lock()


def keep_uploads_in_memory() -> None:
    """Let Starlette parse uploads of the allowed size without a file."""
    from starlette.formparsers import MultiPartParser

    MultiPartParser.spool_max_size = MAX_UPLOAD_BYTES + FORM_BYTES


def kept_uploads() -> Mapping[str, Mapping[str, int]]:
    """Return the uploads that Streamlit keeps: session -> file -> bytes."""
    from streamlit.runtime import get_instance
    from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager

    manager = get_instance().uploaded_file_mgr
    assert isinstance(manager, MemoryUploadedFileManager)
    sessions = list(manager.file_storage.items())
    return {session: {name: len(file.data) for name, file in files.items()} for session, files in sessions}


def count_result_bytes() -> int:
    """Return the size of the pictures and results that Streamlit keeps for all visitors to download."""
    from streamlit.runtime import get_instance
    from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage

    storage = get_instance().media_file_mgr._storage
    assert isinstance(storage, MemoryMediaFileStorage)
    return sum(len(file.content) for file in list(storage._files_by_id.values()))


@contextmanager
def reserve_zip(session: str) -> Iterator[int]:
    """Reserve memory for the zip of a visitor; yield the number of bytes, which can be 0."""
    with _reserving:
        size = max(0, min(MAX_ZIP_BYTES, _free_session_bytes(session), _free_total_bytes()))
        reservation = (session, size)
        _reserved.append(reservation)
    try:
        yield size
    finally:
        _reserved.remove(reservation)


def _free_session_bytes(session: str) -> int:
    kept = sum(kept_uploads().get(session, {}).values())
    return MAX_SESSION_BYTES - kept - sum(size for name, size in list(_reserved) if name == session)


def _free_total_bytes() -> int:
    kept = sum(sum(files.values()) for files in kept_uploads().values()) + count_result_bytes()
    return MAX_TOTAL_BYTES - kept - sum(size for _, size in list(_reserved))


def left_sessions() -> list[str]:
    """Return the sessions that Streamlit keeps although their pages are closed."""
    from streamlit.runtime import get_instance

    manager = get_instance()._session_mgr
    sessions = [info.session.id for info in manager.list_sessions()]
    return [session for session in sessions if not manager.is_active_session(session)]


def close_sessions(sessions: list[str]) -> None:
    """Free what the sessions keep, except sessions whose page has come back."""
    from streamlit.runtime import get_instance

    runtime = get_instance()
    kept = {info.session.id: info.session for info in runtime._session_mgr.list_sessions()}
    for session in set(sessions) & set(left_sessions()):
        runtime.close_session(session)
        # The server refers to the last session until the next visit; the values of its widgets are uploads.
        kept[session].session_state.clear()


async def free_memory(sessions: list[str]) -> None:
    """Free what the sessions keep, if their pages do not come back."""
    from anyio import to_thread

    await asyncio.sleep(LEFT_SECONDS)
    close_sessions(sessions)
    # Objects of a session refer to each other. An idle thread keeps its last work until the next one.
    await to_thread.run_sync(gc.collect)


class MemoryLimits:
    """ASGI middleware that limits uploads and visitors, and frees the memory of visitors who have left."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._visitors = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        """Answer one request, or one WebSocket."""
        if scope["type"] == "websocket":
            await self._visit(scope, receive, send)
        elif scope["type"] == "http" and scope["method"] == "PUT" and scope["path"].startswith(_UPLOADS):
            await self._upload(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _visit(self, scope: Event, receive: Receive, send: Send) -> None:
        if self._visitors >= MAX_VISITORS:
            return await send({"type": "websocket.close", "code": 1013})  # try again later
        self._visitors += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._visitors -= 1
            task = asyncio.create_task(free_memory(left_sessions()))
            self._tasks.add(task)  # asyncio itself keeps no reference
            task.add_done_callback(self._tasks.discard)

    async def _upload(self, scope: Event, receive: Receive, send: Send) -> None:
        session = scope["path"].removeprefix(_UPLOADS).partition("/")[0]
        length = read_headers(scope).get("content-length", "")
        if not (length.isascii() and length.isdigit()):
            return await answer(send, HTTPStatus.LENGTH_REQUIRED, "the upload has no length")
        size = int(length)
        with _reserving:
            problem = self._refusal(session, size)
            if problem is None:
                _reserved.append((session, size))
        if problem is not None:
            return await answer(send, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, problem)
        try:
            await self._app(scope, receive, send)
        finally:
            _reserved.remove((session, size))

    def _refusal(self, session: str, size: int) -> str | None:
        if size > MAX_UPLOAD_BYTES + FORM_BYTES:
            return "this file is too large"
        arriving = sum(name == session for name, _ in list(_reserved))
        if len(kept_uploads().get(session, {})) + arriving >= MAX_SESSION_FILES:
            return f"more than {MAX_SESSION_FILES} uploads; remove some of them"
        if size > _free_session_bytes(session) + FORM_BYTES:
            return "your uploads are too large together; remove some of them"
        if size > _free_total_bytes():
            return "the uploads of all visitors are too large together; try again later"
        return None
