"""The public API of crates as text, from the pages of their documentation: a line per item, member and signature.

python scripts/public_api.py            # compares it with docs/api
python scripts/public_api.py --write    # writes docs/api
"""

import difflib
import html
import os
import re
import sys
from pathlib import Path

CRATES = ["geolip-check", "geolip", "geolip-compare"]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", "target")) / "doc"
# what a type has from others is no decision of ours
OF_OTHERS = re.compile(r'id="(?:trait-implementations|synthetic-implementations|blanket-implementations|implementors)"')
DECLARED = re.compile(r'<pre class="rust item-decl"><code>(.*?)</code></pre>', re.S)
ITEM = re.compile(r'<li><a href="([^"]+[.]html)">')
MEMBER = re.compile(r'<h4 class="code-header">(.*?)</h4>', re.S)


def plain(fragment: str) -> str:
    """Without tags, on one line."""
    fragment = re.sub(r"<(?:br|/div)[^>]*>", " ", fragment)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", fragment)).replace("Show fields", "").split())


def public(pages: Path) -> list[str]:
    """The lines of one crate."""
    lines = set()
    # (pages of what is gone stay where they are; the list of all items is always new)
    for place in map(Path, ITEM.findall((pages / "all.html").read_text(encoding="utf-8"))):
        page = pages / place
        kind, _, name = place.stem.partition(".")
        path = "::".join(place.parts[:-1])
        content = OF_OTHERS.split(page.read_text(encoding="utf-8"))[0]
        declared = DECLARED.search(content)
        lines.add(f"{path or 'crate'}: {plain(declared[1]) if declared else f'{kind} {name}'}")
        lines.update(f"{path or 'crate'}::{name}: {plain(member)}" for member in MEMBER.findall(content))
    return sorted(lines)


def main() -> int:
    """The exit code."""
    code = 0
    for crate in CRATES:
        pages = TARGET / crate.replace("-", "_")
        if not pages.is_dir():
            continue
        now, file = "\n".join(public(pages)) + "\n", Path("docs/api") / f"{crate}.txt"
        if "--write" in sys.argv:
            file.parent.mkdir(exist_ok=True)
            file.write_text(now, encoding="utf-8")
            continue
        then = file.read_text(encoding="utf-8") if file.exists() else ""
        if now != then:
            code = 1
            sys.stdout.writelines(
                line + "\n"
                for line in difflib.unified_diff(
                    then.splitlines(), now.splitlines(), str(file), "the documentation", lineterm="", n=0
                )
            )
            print("the public API has changed: if that is meant, run `scripts/public-api --write`", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
