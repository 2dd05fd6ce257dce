"""Renders each page to HTML and signs the list of them with a key that never enters the image."""

import hashlib
import hmac
import pathlib
import sys

import markdown

source, target = map(pathlib.Path, sys.argv[1:])
target.mkdir()
names = []
for page in sorted(source.glob("*.md")):
    html = markdown.markdown(page.read_text())
    (target / page.with_suffix(".html").name).write_text(f"<!doctype html>\n{html}\n")
    names.append(f"{hashlib.sha256(html.encode()).hexdigest()}  {page.stem}")
listing = "\n".join(names) + "\n"
key = pathlib.Path("/run/secrets/signing_key").read_bytes()
(target / "pages.txt").write_text(listing)
(target / "pages.sig").write_text(hmac.new(key, listing.encode(), "sha256").hexdigest() + "\n")
