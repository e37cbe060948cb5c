"""Helpers that belong to no single stage: extras, timing, contact sheets."""
