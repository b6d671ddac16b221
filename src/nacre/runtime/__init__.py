"""Evaluation of recorded stretches: cold by the interpreter, hot by native programs."""
