"""Quotes that have no end: they must not swallow a file, nor make its reading slow."""

import time

import pytest

from services.gateway.uploads.cells import cells_of, closes_quotes
from services.gateway.uploads.records import MAX_RECORD_BYTES
from tests.unit.gateway.uploads.reading import read, urls_of


@pytest.mark.parametrize(
    ("row", "values", "state"),
    [
        ("", [""], "whole"),
        ("a,b", ["a", "b"], "whole"),
        (",", ["", ""], "whole"),
        ('""', [""], "whole"),
        ('"",""', ["", ""], "whole"),
        ('"a,b",c', ["a,b", "c"], "whole"),
        ('"a""b"', ['a"b'], "whole"),
        ('""""', ['"'], "whole"),
        (' "a" ,"b"', ["a ", "b"], "whole"),
        ('a"b,c"', ['a"b', 'c"'], "whole"),
        ('"a"b,c', ["ab", "c"], "whole"),
        ('"a\nb",c', ["a\nb", "c"], "whole"),
        ('"a\nb" ,c', ["a\nb ", "c"], "whole"),
        ('c,"a\nb"x,c', ["c"], "torn"),
        ('"', ['"'], "open"),
        ('"a""', ['"a""'], "open"),
        ('a,"b', ["a", '"b'], "open"),
        ('a, "b', ["a", ' "b'], "open"),
        ('"a\nb"x,"c', [], "torn"),
    ],
)
def test_cells(row: str, values: list[str], state: str) -> None:
    cells = cells_of(row, ",")
    assert (cells.values, cells.state) == (values, state)


@pytest.mark.parametrize(
    ("line", "closes"),
    [("", False), ("a", False), ('"', True), ('""', False), ('"""', True), ('a""b"c', True), ('""""', False)],
)
def test_lines_that_end_quotes(line: str, closes: bool) -> None:
    assert closes_quotes(line) is closes
    assert (cells_of(f'"x\n{line}', ",").state != "open") is closes


MANY = "".join(f"http://a.example/{number},x\n" for number in range(3_000))


@pytest.mark.parametrize(
    ("body", "bad", "records"),
    [
        ('url,label\n"a.example\nb.example\n', [2], 2),
        ('url,label\na.example,"x\nb.example,y\nc.example,"z"\n', [2], 3),
        ('url,label\na.example,"x\nb.example,y\nc.example,"z\n', [2, 4], 3),
        ('url,label\na.example,x"\n"b.example,y\n"c.example,z\n', [3, 4], 3),
        ('url,label\n"a.example,x\n' + MANY, [2], 3_001),
        ("url,label\n" + MANY + '"a.example,x\n', [3_002], 3_001),
        ("url,label\n" + MANY + '"a.example,x\n' + MANY + 'b.example,"y\n' + MANY, [3_002, 6_003], 9_002),
        ('url,label\na.example,"x\n\n\n"y"\nb.example,"z\n1"\n', [2], 3),
        ('"a.example\n"b.example"\nc.example\n', [1], 3),
        ('url,label\na.example,"' + "x" * MAX_RECORD_BYTES + '\n"\nb.example,y\n', [2, 3], 3),
        ('url,label\na.example,"x\n' + "y" * MAX_RECORD_BYTES + '"\nb.example,"z\n1"\n', [2, 3], 3),
    ],
)
def test_quotes_without_an_end_spoil_one_line(body: str, bad: list[int], records: int) -> None:
    found = read("csv", body.encode())
    assert [record.line for record in found if record.reason] == bad
    assert len(found) == records


def test_a_cell_of_many_lines_is_read() -> None:
    cell = "\n".join(['He said ""yes""'] * 900)
    body = f'url,notes\na.example,"{cell}"\nb.example,x\n'.encode()
    assert urls_of(read("csv", body)) == [(2, "http://a.example/"), (902, "http://b.example/")]
    longer = body.replace(cell.encode(), "\n".join(["x, y"] * 1_001).encode())
    assert next(record.line for record in read("csv", longer) if record.reason) == 2


@pytest.mark.parametrize(
    "line", ['a","x', '"', '""', '"""', 'x,"', 'x,"y', '"x"y"', '""","', '",,"', 'x,"""y', '"x","y\0']
)
def test_quotes_that_go_wrong_all_the_time_are_no_burden(line: str) -> None:
    body = (f"{line}\n" * 5_000).encode()
    began = time.process_time()
    found = read("csv", b"url,label\n", body)
    assert time.process_time() - began < 2  # 50 µs a line; read again for each that it follows within a thousand: 30 s
    assert sum(record.text.count("\n") + 1 for record in found) <= 5_000
