"""What is measured of synthetic images: fidelity, privacy and utility."""
