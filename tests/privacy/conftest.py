"""The family of the privacy tests, made anew for each test: erasures cannot be taken back."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.kit import School
from tests.outbox.post import Post
from tests.privacy.scene import Scene, build


@pytest.fixture
async def scene(school: School, post: Post, owner: AsyncEngine) -> Scene:
    return await build(school, post, owner)
