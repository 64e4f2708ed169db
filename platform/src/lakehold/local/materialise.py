"""Write a component's plan to disk: its folders, configuration and specs, owned by who reads them."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from lakehold.components.model import Site
from lakehold.local.files import ensure_directory, read_json, write_atomic, write_json
from lakehold.local.launch import Spec
from lakehold.local.plan import ComponentPlan, owned_folders


def write_plan(plan: ComponentPlan, site: Site) -> None:
    """Write everything; only what differs is touched. Programs that run as another user own their folders."""
    name = plan.component.name
    folders = owned_folders(plan.component, site)
    for folder in folders:
        ensure_directory(folder)
    for file in plan.files:
        path = site.conf(name) / file.path
        ensure_directory(path.parent)
        write_atomic(path, file.text)
    _remove_stale(plan, site)
    for _part, spec in plan.processes:
        write_atomic(spec_path(site.state, spec), spec.dumps())
    specs = [spec for _part, spec in (*plan.before, *plan.processes, *plan.after)]
    user = next((spec.user for spec in specs if spec.user), None)
    if user is not None:
        for folder in folders:
            _give(folder, user, everything=folder == site.conf(name))


def spec_path(state: Path, spec: Spec) -> Path:
    """Return where the launcher reads a spec from."""
    return state / "run" / "spec" / f"{spec.name}.json"


def _remove_stale(plan: ComponentPlan, site: Site) -> None:
    """Remove files an earlier declaration had: a catalog that was renamed must not stay under its old name."""
    record = site.state / "run" / "once" / f"{plan.component.name}.files.json"
    declared = {file.path for file in plan.files}
    for path in set((read_json(record) or {}).get("files", [])) - declared:
        (site.conf(plan.component.name) / path).unlink(missing_ok=True)
    write_json(record, {"files": sorted(declared)})


def _give(folder: Path, user: str, *, everything: bool) -> None:
    """Make ``user`` the owner of a folder: of all in it when asked or when the folder itself was not theirs yet."""
    if not everything and folder.owner() == user:
        return
    entry = pwd.getpwnam(user)
    for root, folders, files in os.walk(folder):
        for name in (".", *folders, *files):
            os.chown(Path(root) / name, entry.pw_uid, entry.pw_gid, follow_symlinks=False)
