"""The parts of the bench: footage that it makes, what it measures of it, tables and charts."""
