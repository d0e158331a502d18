from __future__ import annotations

import asyncio

import pytest

from app.pulse import pulse


def test_it_beats_while_the_context_lasts_even_after_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    beats: list[int] = []

    def look() -> None:
        beats.append(len(beats))
        if len(beats) == 1:
            raise ValueError

    async def live() -> int:
        async with pulse(look, 0.001):
            async with asyncio.timeout(10):
                while len(beats) < 3:
                    await asyncio.sleep(0.001)
        ended = len(beats)
        await asyncio.sleep(0.01)
        return ended

    assert asyncio.run(live()) == len(beats) >= 3
    assert [record.levelname for record in caplog.records] == ["ERROR"]
