"""The harnesses are programs, run by ``run.py`` from their own folder: they are no modules to be collected."""

collect_ignore_glob = ["[!t]*.py"]
