"""The page torch.md lists PyTorch's names as they are; each that is left out has a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
lists = pytest.importorskip("search.torch_lists")

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "torch.md"
# Names come and go with PyTorch's versions.
pytestmark = pytest.mark.skipif(
    not torch.__version__.startswith("2.13."), reason="the lists are those of PyTorch 2.13"
)


@pytest.mark.parametrize("section", lists.SECTIONS, ids=lambda section: section.theirs)
def test_each_name_is_there_or_left_out_with_a_reason(section: lists.Section) -> None:
    both, unexplained, _ = lists.compared(section)
    assert sum(map(len, both.values()))
    assert unexplained == []


def test_the_page_is_up_to_date() -> None:
    assert lists.tables() in PAGE.read_text("utf-8"), "python tests/search/torch_lists.py " + str(
        PAGE
    )
