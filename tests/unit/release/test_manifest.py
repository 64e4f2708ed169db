"""A manifest notices every change of a tree, and says what it was."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from lakehold.release import manifest

paths = st.from_regex(r"[a-zA-Z ][\w .-]{0,8}(/[a-zA-Z ][\w .-]{0,8}){0,2}", fullmatch=True).filter(
    lambda path: not any(part.strip(" .") != part or not part for part in path.split("/"))
)
trees = st.dictionaries(paths, st.binary(max_size=40), min_size=1, max_size=6).filter(
    lambda tree: not any(other != path and other.startswith(f"{path}/") for path in tree for other in tree)
)


def grow(root: Path, tree: dict[str, bytes]) -> None:
    for name, body in tree.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(body)


@given(tree=trees)
def test_the_same_tree_gives_the_same_sum_anywhere(tree: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        grow(Path(one), tree)
        grow(Path(two), dict(reversed(tree.items())))
        lines = manifest.describe(Path(one))
        assert lines == manifest.describe(Path(two))
        assert manifest.sums(lines).keys() == tree.keys()
        assert manifest.differences(lines, lines) == []


@given(tree=trees, data=st.data())
def test_every_change_is_noticed_and_named(tree: dict[str, bytes], data: st.DataObject) -> None:
    victim = data.draw(st.sampled_from(sorted(tree)))
    change = data.draw(st.sampled_from(["flip", "append", "remove", "mode", "add", "link"]))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        grow(root, tree)
        before = manifest.describe(root)
        path = root / victim
        if change == "flip":
            path.write_bytes(bytes([(tree[victim] or b"\0")[0] ^ 1]) + tree[victim][1:])
        elif change == "append":
            path.write_bytes(tree[victim] + b"\n")
        elif change == "remove":
            path.unlink()
        elif change == "mode":
            path.chmod(0o755)
        elif change == "link":
            path.rename(path.with_name("elsewhere!"))
            path.symlink_to("elsewhere!")
        else:
            (path.parent / "new!").write_bytes(b"")
        after = manifest.describe(root)
        assert manifest.total(before) != manifest.total(after)
        said = manifest.differences(before, after)
        assert any(("new!" if change == "add" else victim) in word for word in said)
        assert len(said) == (2 if change == "link" else 1)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "gone").symlink_to("nowhere")
    assert [line.split(" ")[0] for line in manifest.describe(tmp_path).splitlines()] == ["l", "l"]
