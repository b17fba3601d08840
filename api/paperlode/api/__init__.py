"""The faces: command line, query API, and the Archive they all call."""
