"""The forms in which a replay is told: JSON, Markdown, pictures, and one page that holds them all."""
