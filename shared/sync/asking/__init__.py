"""What a person asks of the engine: changes of links, and how they are seen before they are made."""
