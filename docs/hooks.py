"""What the site takes from the repository outside of docs/: pages and files that pages link to."""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
PAGES = (  # of the repository, shown as pages of the site
    "synthetic/README.md",
    "synthetic/evidence/README.md",
    "bench/README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
)
LINK = re.compile(r"(?<=\]\()(?!https?:|#)(?P<place>[^)#\s]+)(?P<anchor>#[^)\s]*)?(?=\))")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that stand elsewhere in the repository, at ``repository/<path>``."""
    for name in PAGES:
        if (ROOT / name).is_file():
            files.append(_file(name, config))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links out of docs/ to the page or file of the site that holds the same."""
    source = ROOT / page.file.src_uri.removeprefix("repository/")
    folder = source.parent if page.file.src_uri.startswith("repository/") else None
    origin = folder or (ROOT / "docs" / page.file.src_uri).parent

    def led(found: re.Match[str]) -> str:
        target = (origin / found["place"]).resolve()
        is_inside = folder is None and not found["place"].startswith("../")
        if is_inside or not target.is_relative_to(ROOT) or not target.exists():
            return found[0]
        up = "../" * page.file.src_uri.count("/")
        if target.is_relative_to(ROOT / "docs"):
            return f"{up}{target.relative_to(ROOT / 'docs')}{found['anchor'] or ''}"
        name = str(target.relative_to(ROOT))
        if name == "README.md":
            return f"{up}index.md{found['anchor'] or ''}"
        if target.is_dir():
            name = f"{name}/README.md"
            if not (ROOT / name).is_file():
                return "#"
        if files.get_file_from_path(f"repository/{name}") is None:
            files.append(_file(name, config))
        return f"{up}repository/{name}{found['anchor'] or ''}"

    return LINK.sub(led, markdown)


def _file(name: str, config: MkDocsConfig) -> File:
    return File.generated(config, f"repository/{name}", abs_src_path=str(ROOT / name))
