"""Makes docs/images/report.png: the top of a demo's report, as Chromium shows it.

    python docs/picture.py

Needs Chromium or Chrome on the path.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PICTURE = Path(__file__).resolve().parent / "images" / "report.png"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT = 1280, 860


def main() -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit(f"none of {', '.join(BROWSERS)} is on the path")
    with tempfile.TemporaryDirectory() as folder:
        ida = Path(sys.executable).parent / "ida"
        subprocess.run([ida, "demo", "--out", folder], check=True, stdout=subprocess.DEVNULL)
        (report,) = Path(folder).glob("*/report/report.html")
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={folder}/b"]
        size = [f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={PICTURE}"]
        subprocess.run([browser, *options, *size, report.as_uri()], check=True, stderr=subprocess.DEVNULL)
    print(f"{PICTURE}: {PICTURE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
