"""Operations: one record each, by family, and composites made of them."""
