-- For tests/lint.sh and for editors.
std = "lua54"
max_line_length = 128
ignore = { "211/_.+", "212" } -- a guard is a variable that is only closed; an interface has arguments that not all need
globals = { "engine", "workflow" }
