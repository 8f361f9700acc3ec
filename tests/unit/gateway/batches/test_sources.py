"""Records of uploads: whoever else is served has turns in between."""

import asyncio
import io
import tempfile
import zipfile

from services.gateway.batches.forms import Form
from services.gateway.batches.multipart import Part
from services.gateway.batches.sources import of_form
from services.gateway.uploads.options import Options
from services.gateway.uploads.records import Defaults
from shared.messages import Question

OPTIONS = Options(Defaults(Question(words=("python",))), None)


async def test_others_have_their_turn_while_the_contents_of_an_archive_are_read() -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        for number in range(10_000):
            made.mkdir(f"{number}/")
        made.writestr("a.txt", b"a.example")
    turns = 0

    async def look() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    with tempfile.TemporaryFile() as file:
        file.write(archive.getvalue())
        file.flush()
        form = Form(file, part=Part("file", "x.zip", "", None), size_bytes=file.tell())
        looking = asyncio.create_task(look())
        found = [record.url async for some in of_form(form, OPTIONS.defaults) for record in some]
        looking.cancel()
    assert found == ["http://a.example/"]
    assert turns > 20  # a handful when it is read in one go
