"""Many photographs: the plan, the engines that color them, and the manifest of results."""
