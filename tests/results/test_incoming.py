"""Generators that workers write into a results folder: their files become the stored ones, or nothing is stored."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from ganbench import GanbenchError
from ganbench.api.records import Record, make_storable
from ganbench.results import incoming
from ganbench.results.files import list_snapshots, network_path
from ganbench.results.incoming import incoming_path, remove_leftovers, write_incoming
from ganbench.results.store import Store

from tests.support.trials_by_hand import record, trial

FINAL, EARLY = b"the final generator", b"the generator of step 1"


def hashed(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write(store: Store, seed: int = 0) -> Record:
    """Return a record whose worker has written its final generator and an earlier one."""
    made = trial(seed=seed)
    steps = {1: EARLY, made.budget.generator_steps: FINAL}
    written = {step: write_incoming(store.folder, made.key, content) for step, content in steps.items()}
    return record(made, generator=b"", written=written)


def list_incoming(folder: Path) -> list[str]:
    return [file.name for file in (folder / "networks").glob("incoming/*")]


def read_status(store: Store, stored: Record) -> tuple[str, str]:
    detail = store.detail(stored.trial.key)
    return detail["status"], detail["error"]


def test_files_become_the_stored_generators_and_no_copy_stays(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        made = write(store)
        assert len(list_incoming(tmp_path)) == 2
        store.append([made])
        assert store.generator(made.trial.key) == FINAL
        assert store.snapshot(made.trial.key, 1) == EARLY
        assert list_incoming(tmp_path) == []
        store.append([record(made.trial, generator=b"as bytes, of another executor")])
        assert store.generator(made.trial.key) == b"as bytes, of another executor"
        assert list_snapshots(tmp_path, made.trial.key) == {}


def test_the_names_of_a_batch_are_made_to_last_by_one_sync_of_their_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes before the records are stored, and after all files have their names."""
    with Store(tmp_path) as store:
        made = [record(trial(seed=seed), generator=b"of seed %d" % seed) for seed in range(4)]
        made += [
            record(
                (each := trial(seed=seed)),
                generator=b"",
                written={each.budget.generator_steps: write_incoming(tmp_path, each.key, FINAL)},
            )
            for seed in range(4, 8)
        ]
        seen: list[int] = []
        sync = incoming.sync_folder

        def note(place: Path) -> None:
            assert place == tmp_path / "networks"
            assert store.known() == {}
            seen.append(len(list(place.glob("*.safetensors"))))
            sync(place)

        monkeypatch.setattr(incoming, "sync_folder", note)
        store.append(made)
        assert seen == [8]
        assert len(store.known()) == 8


@pytest.mark.parametrize("spoil", ["remove", "change", "link"])
def test_a_file_that_is_not_what_the_worker_wrote_fails_its_record_alone(tmp_path: Path, spoil: str) -> None:
    with Store(tmp_path) as store:
        store.append([record(trial(), generator=b"an older one")])
        bad, good = write(store), write(store, seed=1)
        path = incoming_path(tmp_path, bad.trial.key, hashed(FINAL))
        if spoil == "change":
            path.write_bytes(b"half of a generat")
        else:
            path.unlink()
        if spoil == "link":
            (tmp_path / "elsewhere").write_bytes(FINAL)
            path.symlink_to(tmp_path / "elsewhere")
        store.append([bad, good])
        status, error = read_status(store, bad)
        assert status == "failed"
        assert str(path) in error
        assert "--retry failed" in error
        with pytest.raises(GanbenchError, match="left no generator"):
            store.generator(bad.trial.key)
        assert not network_path(tmp_path, bad.trial.key).exists()
        assert read_status(store, good) == ("completed", "")
        assert store.generator(good.trial.key) == FINAL


def test_leftovers_are_removed_except_those_of_batches_that_may_resume(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        killed, resuming = write(store), write(store, seed=1)
    part = incoming_path(tmp_path, killed.trial.key, hashed(FINAL)).with_name(".a.safetensors.part")
    part.write_bytes(b"cut")
    remove_leftovers(tmp_path, {resuming.trial.key})
    assert {name[:64] for name in list_incoming(tmp_path)} == {resuming.trial.key}
    remove_leftovers(tmp_path, set())
    assert not (tmp_path / "networks" / "incoming").exists()
    remove_leftovers(tmp_path, set())


def test_a_link_in_place_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    with Store(tmp_path / "r"):
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "elsewhere" / "mine").write_text("not ganbench's")
        (tmp_path / "r/networks/incoming").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(GanbenchError, match="a link"):
            write_incoming(tmp_path / "r", trial().key, FINAL)
        with pytest.raises(GanbenchError, match="a link"):
            remove_leftovers(tmp_path / "r", set())
        assert [each.name for each in (tmp_path / "elsewhere").iterdir()] == ["mine"]


@pytest.mark.parametrize("written", [{2: "../../evil"}, {"2": hashed(FINAL)}, {2: b"x"}])
def test_a_record_that_names_anything_but_hashes_fails(written: Any) -> None:
    stored = make_storable(record(trial(), written=written))
    assert stored.status == "failed"
    assert "written is not SHA-256 by whole numbers" in stored.error
