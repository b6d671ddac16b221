"""What every room uses: types, shapes, errors, configuration, random streams."""
