-- embed.lua DIR FILE...: compiles Lua files into DIR, and writes C source to stdout that holds them and the table of
-- them that engine/lua/state.c reads. Bytecode loads in a tenth of the time. It is not stripped, so that errors keep file
-- and line, and comes from the library that the program is linked with: all releases of one Lua version have one virtual
-- machine (https://www.lua.org/versions.html), and a library of another version refuses it.

local dir = ...
local files = { select(2, ...) }

-- What the build made has a name that does not tell where it was built.
local function name_of(path) return (path:gsub("^build/", ""):gsub("^san%-[a-z-]*/", "")) end

local parts, rows = {}, {}
for i, file in ipairs(files) do
  local name = name_of(file)
  local source = assert(io.open(file)):read("a")
  local code = string.dump(assert(load(source, "@" .. name, "t")))
  local path = ("%s/%d.luac"):format(dir, i)
  local out = assert(io.open(path, "wb"))
  assert(out:write(code))
  assert(out:close())
  parts[#parts + 1] = ('__asm__(".pushsection .rodata\\nmoon_e%d:\\n.incbin \\"%s\\"\\n.popsection\\n");\n'):format(i, path)
    .. ("extern const char moon_e%d[];\n"):format(i)
  rows[#rows + 1] = ('    {"%s", moon_e%d, %d},\n'):format(name, i, #code)
end
io.write([[
#include <stddef.h>
struct moon_embedded {
    const char *name, *data;
    size_t size;
};
extern const struct moon_embedded moon_embedded[];
]], table.concat(parts), "const struct moon_embedded moon_embedded[] = {\n", table.concat(rows), "    {NULL, NULL, 0},\n};\n")
