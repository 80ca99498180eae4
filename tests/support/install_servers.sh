#!/bin/sh
# Installs the real MCP servers that the integration tests talk to, at fixed versions, and writes DIR/servers.json, an
# mcpServers file with absolute paths. DIR/tools gets what judges the bridge from outside: the official inspector, the Node
# that it needs, and a tokenizer.
#
#     tests/support/install_servers.sh DIR
#
# Needs Node 20 or later with npm, Python 3.10 or later with venv, git, and a package registry for both. What is there
# already is left alone, so a second run takes no time.
set -eu

if [ $# -ne 1 ]; then
    echo "usage: $0 DIR" >&2
    exit 2
fi
for command in node npm python3 git; do
    if ! command -v "$command" >/dev/null 2>&1; then
        echo "$0: $command not found: install it" >&2
        exit 1
    fi
done

mkdir -p "$1"
dir=$(cd "$1" && pwd)

npm_version=2026.8.31
npm_servers="everything filesystem memory"
# An authorization server, and the SDK that its guarded MCP server is made with.
npm_logins="oidc-provider@9.13.3 @modelcontextprotocol/sdk@1.32.2"
# Reached over HTTP only: one without sessions, one that wants a token, one that looks at the name it is reached by.
npm_remotes="@modelcontextprotocol/server-map@2.0.3 @notionhq/notion-mcp-server@2.5.2 @playwright/mcp@0.0.83"
# The newest line of the SDK, as a client; the servers are made with it. The last two of these serve HTTP in both eras.
pypi_sdk="mcp==2.3.0"
pypi_servers="mcp-server-time==2026.10.19 mcp-server-git==2026.10.19 duckduckgo-mcp-server==0.7.0 excel-mcp-server==2.2.2"
# Starts compose files on Podman.
pypi_tools="podman-compose==1.6.0"
# The last line of the SDK that has a WebSocket server, and a proxy that serves any stdio server over SSE.
pypi_older="mcp[ws]==1.30.0 mcp-proxy==0.13.0"
# A client that others build on.
pypi_clients="fastmcp==4.1.2"
# The inspector wants Node 22.19 or later, which Debian does not have: npm brings one. The conformance suite runs with it too.
tools="@modelcontextprotocol/inspector@2.12.0 @modelcontextprotocol/conformance@0.2.0-alpha.12 node@24.9.0 js-tiktoken@1.0.21"
# Rises when anything above or below changes, so that an older folder is filled anew.
stamp="$dir/.installed"
wanted="6 $npm_version $npm_servers $npm_logins $npm_remotes $pypi_sdk $pypi_servers $pypi_tools $pypi_older $pypi_clients $tools"

if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$wanted" ]; then
    packages="$npm_logins $npm_remotes"
    for name in $npm_servers; do
        packages="$packages @modelcontextprotocol/server-$name@$npm_version"
    done
    mkdir -p "$dir/npm"
    # Nothing is browsed.
    # shellcheck disable=SC2086 # one word a package
    PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm install --prefix "$dir/npm" --no-audit --no-fund --loglevel=error $packages
    [ -x "$dir/venv/bin/python" ] || python3 -m venv "$dir/venv"
    # shellcheck disable=SC2086
    "$dir/venv/bin/python" -m pip install --quiet --disable-pip-version-check $pypi_sdk $pypi_servers $pypi_tools
    [ -x "$dir/older/bin/python" ] || python3 -m venv "$dir/older"
    # shellcheck disable=SC2086
    "$dir/older/bin/python" -m pip install --quiet --disable-pip-version-check $pypi_older
    [ -x "$dir/clients/bin/python" ] || python3 -m venv "$dir/clients"
    # shellcheck disable=SC2086
    "$dir/clients/bin/python" -m pip install --quiet --disable-pip-version-check $pypi_sdk $pypi_clients
    mkdir -p "$dir/tools"
    # shellcheck disable=SC2086
    npm install --prefix "$dir/tools" --no-audit --no-fund --loglevel=error $tools
    printf '%s' "$wanted" >"$stamp"
fi

# What the servers work on.
mkdir -p "$dir/files"
[ -f "$dir/files/hello.txt" ] || printf 'Hello from a file.\n' >"$dir/files/hello.txt"
if [ ! -d "$dir/repository/.git" ]; then
    git init --quiet --initial-branch=main "$dir/repository"
    printf 'one\n' >"$dir/repository/one.txt"
    git -C "$dir/repository" add one.txt
    git -C "$dir/repository" -c user.name=Test -c user.email=test@example.com -c commit.gpgsign=false \
        commit --quiet --message "First commit"
fi

DIR="$dir" NODE="$(command -v node)" python3 - <<'PYTHON'
import json
import os

directory, node = os.environ["DIR"], os.environ["NODE"]


def npm(name, *args, env=None):
    script = f"{directory}/npm/node_modules/@modelcontextprotocol/server-{name}/dist/index.js"
    assert os.path.exists(script), script
    return {"command": node, "args": [script, *args], **({"env": env} if env else {})}


def pypi(name, *args):
    script = f"{directory}/venv/bin/{name}"
    assert os.path.exists(script), script
    return {"command": script, "args": list(args)}


servers = {
    "time": pypi("mcp-server-time", "--local-timezone", "Europe/Berlin"),
    "git": pypi("mcp-server-git", "--repository", f"{directory}/repository"),
    "everything": npm("everything"),
    "filesystem": npm("filesystem", f"{directory}/files"),
    "memory": npm("memory", env={"MEMORY_FILE_PATH": f"{directory}/memory.jsonl"}),
}
path = f"{directory}/servers.json"
with open(path + ".new", "w", encoding="utf-8") as file:
    json.dump({"mcpServers": servers}, file, indent=2)
    file.write("\n")
os.replace(path + ".new", path)
PYTHON
echo "servers are ready: $dir/servers.json"
