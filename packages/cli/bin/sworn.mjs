#!/usr/bin/env node
/** The `sworn` command. Kept apart from what it starts because the compiler writes no executable files. */
import '../dist/main.js';
