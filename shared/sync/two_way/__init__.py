"""Links that lead both ways: edits of mirrors become edits of their source."""
