"""What the law gives people over their data: export, erasure, an end to keeping."""
