import json

import pytest
from aiohttp import hdrs
from aiohttp.test_utils import make_mocked_request

from services.gateway.inputs import Limit, Url, Word, limit_of
from services.gateway.openapi import document
from services.gateway.openapi.answers import problems
from services.gateway.openapi.served import PATH, Description
from services.gateway.problems import Problem
from shared import urls


def test_limits_of_types() -> None:
    assert (limit_of(Word, "min_length"), limit_of(Word, "max_length")) == (1, 200)
    assert (limit_of(Limit, "ge"), limit_of(Limit, "le")) == (1, 500)
    assert limit_of(Url, "max_length") == urls.MAX_URL_CHARS
    assert limit_of(Url, "ge") is None
    assert limit_of(int, "ge") is None


def test_problems_of_one_status_are_one_answer() -> None:
    found = problems(["not_found", "already_finished", "not_retryable", "not_found"])
    assert list(found) == ["404", "409"]
    (content,) = found["409"]["content"].values()
    narrowed = content["schema"]["allOf"][1]["properties"]
    assert narrowed["code"] == {"enum": ["already_finished", "not_retryable"]}
    assert narrowed["status"] == {"const": 409}
    assert "`not_retryable`: " in found["409"]["description"]


def test_what_may_pass_says_when_to_try_again() -> None:
    found = problems(["database_unavailable", "not_found", "not_committed"])
    assert "Retry-After" not in found["404"]["headers"]
    assert {"Retry-After", "Location"} <= set(found["503"]["headers"])


async def test_who_has_the_document_need_not_read_it_again() -> None:
    description = Description(document.make())
    answer = await description.show(make_mocked_request("GET", PATH))
    assert (answer.status, answer.content_type) == (200, "application/json")
    assert isinstance(answer.body, bytes)
    assert json.loads(answer.body)["openapi"] == "3.1.0"
    etag = answer.headers[hdrs.ETAG]
    for known in (etag, f'"x", {etag}', f"W/{etag}", "*"):
        again = await description.show(make_mocked_request("GET", PATH, headers={"If-None-Match": known}))
        assert (again.status, again.headers[hdrs.ETAG], again.body) == (304, etag, None)
    other = await description.show(make_mocked_request("GET", PATH, headers={"If-None-Match": '"x"'}))
    assert other.status == 200


async def test_another_document_has_another_tag() -> None:
    tags = [
        (await Description({"n": number}).show(make_mocked_request("GET", PATH))).headers[hdrs.ETAG]
        for number in (1, 2)
    ]
    assert len(set(tags)) == 2


async def test_it_takes_no_parameters() -> None:
    with pytest.raises(Problem, match="/x"):
        await Description({}).show(make_mocked_request("GET", f"{PATH}?x=1"))
