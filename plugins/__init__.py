"""What ships with Ida, built as a stranger would: each file is one plugin and a worked example."""
