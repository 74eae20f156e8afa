#!/bin/bash
# lint.sh: the house rules, then the linters that are installed. Exit code 1 if a rule is broken.
set -euo pipefail
cd "$(dirname "$(realpath "$0")")/.."
shopt -s nullglob globstar
broken=0 lacking=()

rule() { # text, offending lines
  if [ -n "$2" ]; then
    printf '%s:\n%s\n' "$1" "$2" | sed '2,$s/^/  /' >&2
    broken=$((broken + 1))
  fi
}
note() { # text, findings: shown, but they break nothing
  if [ -n "$2" ]; then printf '%s:\n%s\n' "$1" "$2" | sed 's/^/note: /'; fi
}
# have NAME: is the linter there? What is not is named in the end.
have() { command -v "$1" >/dev/null || { lacking+=("$1"); return 1; }; }
found() { grep -nE "$@" /dev/null || true; }

c=(engine/**/*.[ch] tests/**/*.[ch])
core=(engine/core/*.[ch] engine/guard/*.[ch] engine/*.[ch])
lua_c=(engine/lua/*.[ch])
scripts=(scripts/**/*.lua examples/**/*.lua)
all_lua=(stdlib/**/*.lua engine/**/*.lua scripts/**/*.lua examples/**/*.lua tests/lua/**/*.lua tests/contract/*.lua tests/fuzz/*.lua tests/fault/*.lua)
shell=(tests/run tests/fuzz/run tests/fuzz/check tests/interop/run tests/contract/run tests/crash/run tests/fault/run tests/valgrind/run tests/lab/{run,filer,lio-sync} tests/**/*.sh engine/*.sh)
if [ -f .ci/run ]; then shell+=(.ci/run); fi

rule 'lua.h belongs to engine/lua only' "$(found '#include *[<"](lua|lauxlib|lualib)\.h' "${core[@]}")"
# A Lua error is a longjmp: it skips every cleanup attribute on its way.
rule 'no cleanup attribute and no AUTO_ macro in engine/lua' "$(found '\bAUTO_[A-Z_]+|__attribute__ *\(\(cleanup' "${lua_c[@]}")"
rule 'a core file includes no binding' "$(found '#include *"([^"]*/)?(moonlua|l_[a-z]+)\.h"' engine/core/*.[ch] engine/guard/*.[ch])"
if [ ${#scripts[@]} -gt 0 ]; then
  # an example may build upon the one beside it, as a site's scripts do
  rule 'scripts and examples require std.* only' \
    "$(found 'require *\(? *["'\'']' "${scripts[@]}" | grep -vE 'require *\(? *["'\''](std\.|restore-beside)' || true)"
  rule 'scripts and examples do not touch engine' "$(found '\bengine\.[a-z]' "${scripts[@]}" | grep -vE ':[0-9]+: *--' || true)"
fi
rule 'no blanks at the end of a line, no tab in Lua and C' \
  "$(found '[[:blank:]]+$' "${c[@]}" "${all_lua[@]}" "${shell[@]}"; found $'\t' "${c[@]}" "${all_lua[@]}")"

for file in "${c[@]}" "${all_lua[@]}" "${shell[@]}"; do
  lines=$(wc -l <"$file")
  if [ "$lines" -gt 800 ]; then
    rule 'a file of more than 800 lines holds more than one subject' "$file: $lines"
  elif [ "$lines" -gt 500 ]; then
    printf 'note: %s has %d lines\n' "$file" "$lines"
  fi
done

if have luacheck && [ ${#all_lua[@]} -gt 0 ]; then
  rule luacheck "$(luacheck -q --no-color -- "${all_lua[@]}" 2>&1 |
    grep -E ':[0-9]+:[0-9]+:' || true)"
fi
if have shellcheck; then
  rule shellcheck "$(shellcheck -x -P SCRIPTDIR -e SC2119,SC2120 -f gcc "${shell[@]}" 2>&1 || true)"
fi
# cppcheck does not see through cleanup attributes, and clang-format differs from release to release.
if have cppcheck && [ ${#c[@]} -gt 0 ]; then
  note cppcheck "$(cppcheck -q --std=c11 --enable=warning,performance,portability --inline-suppr --suppress=missingInclude \
    --suppress=unknownMacro -D__cppcheck__ -Iengine/core engine tests/ontapsim tests/bench 2>&1 | grep -E '^[^ ]+:[0-9]+.*(warning|error|performance|portability):' || true)"
fi
if have clang-format && [ ${#c[@]} -gt 0 ]; then
  note 'make format changes these' "$(clang-format --dry-run "${c[@]}" 2>&1 | sed -nE 's/^([^ :]+):[0-9]+:.*/\1/p' | sort -u | paste -sd' ')"
fi

if [ ${#lacking[@]} -gt 0 ]; then echo "not installed, not run: ${lacking[*]} (tests/lib/deps.sh lint)"; fi
if [ $broken -gt 0 ]; then
  echo "lint: $broken rules broken" >&2
  exit 1
fi
echo 'lint: all rules hold'
