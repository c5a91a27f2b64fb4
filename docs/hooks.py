"""What the site takes from the repository outside of docs/: README as its home, other pages and
files that pages link to.
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
HOME = "README.md"
PAGES = (  # of the repository, shown as pages of the site
    "synthetic/README.md",
    "synthetic/evidence/README.md",
    "bench/README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
)
LINK = re.compile(r"(?<=\]\()(?!https?:|#)(?P<place>[^)#\s]+)(?P<anchor>#[^)\s]*)?(?=\))")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add README as the home page, and other pages at ``repository/<path>``."""
    for name in (HOME, *PAGES):
        files.append(_file(name, config))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links out of docs/ to the page or file of the site that holds the same."""
    place = page.file.src_uri
    source = Path(page.file.abs_src_path or "").resolve()
    folder = source.parent if source.is_relative_to(ROOT) else (ROOT / "docs" / place).parent
    up = "../" * place.count("/")

    def leading(link: re.Match[str]) -> str:
        target = (folder / link["place"]).resolve()
        if not target.is_relative_to(ROOT) or not target.exists():
            return link[0]
        anchor = link["anchor"] or ""
        if target.is_relative_to(ROOT / "docs" / "gallery"):
            return f"{up}generated/gallery/index.md"
        if target.is_relative_to(ROOT / "docs"):
            return f"{up}{target.relative_to(ROOT / 'docs').as_posix()}{anchor}"
        if (
            target.is_dir()
        ):  # of a folder the page that says what is in it, its own or the one above
            homes = (above / "README.md" for above in (target, *target.parents))
            target = next(home for home in homes if home.is_file())
        name = target.relative_to(ROOT).as_posix()
        if files.get_file_from_path(_address(name)) is None:
            if target.suffix == ".md":
                raise PluginError(f"{place} links to {name}: add it to PAGES in docs/hooks.py")
            files.append(_file(name, config))
        return f"{up}{_address(name)}{anchor}"

    return LINK.sub(leading, markdown)


def _address(name: str) -> str:
    """Where a file of the repository stands in the site."""
    return "index.md" if name == HOME else f"repository/{name}"


def _file(name: str, config: MkDocsConfig) -> File:
    return File.generated(config, _address(name), abs_src_path=str(ROOT / name))
