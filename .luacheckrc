std = "lua54"
max_line_length = 120
ignore = { "211/_.+" } -- to-be-closed guards are only closed
