"""Class-conditional generators behind one small interface; the interface is in `networks`."""
