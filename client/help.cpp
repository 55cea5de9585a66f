// SPDX-License-Identifier: MIT
#include "client/help.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "client/command.h"

namespace client {

namespace {

struct VerbRow {
  Verb verb;
  std::string_view word;
  std::string_view arguments;
  std::string_view does;
  std::string_view more;  // what only its own --help says: sentences, examples
};

constexpr std::array<VerbRow, 14> verbs = {{
    {Verb::none, "", "", "opens a node and gives the prompt", ""},
    {Verb::host, "host", "", "opens a network: prints its invite, gives the prompt",
     "The node is a supernode from the start; others on this host join with its address,\n"
     "others elsewhere with its invite, or with the password if it has one.\n"
     "\n"
     "  thuban host --bind 0.0.0.0:7700 --nick ann\n"
     "  thuban host --no-prompt --share /srv/files      a service: ends with SIGTERM\n"},
    {Verb::join, "join", "TARGET", "joins a network and gives the prompt",
     "TARGET is IP:PORT, [v6]:PORT, an invite, or the name of a network: one on this host or its\n"
     "LAN, one joined before, or one that the servers of --rendezvous know.\n"
     "Any member will do: it leads to the supernode. Nobody there within 10 s: exit code 3;\n"
     "no invite, or a password that is missing or wrong: 4.\n"
     "\n"
     "  thuban join 192.0.2.7:7700 --nick bob\n"
     "  printf 'T hello\\nQ\\n' | thuban join 192.0.2.7:7700 --json\n"},
    {Verb::share, "share", "FILE... [--to TARGET]", "offers files until it is interrupted",
     "Without TARGET it hosts a network of its own and prints the invite.\n"
     "A file that is not there: exit code 6, and nothing is offered.\n"
     "\n"
     "  thuban share film.mkv notes.pdf --to 192.0.2.7:7700\n"},
    {Verb::get, "get", "NAME|HASH --from TARGET [--out PATH]",
     "downloads a file, verified, and exits",
     "A hash may be cut to 8 digits. Prints the path of the file. PATH is the file's new name,\n"
     "or a folder; nothing is ever overwritten. An interrupted download is taken up again.\n"
     "Not on offer: exit code 6. Two different files of that name: 2, and their hashes.\n"
     "\n"
     "  thuban get film.mkv --from 192.0.2.7:7700 --out /tmp/\n"},
    {Verb::chat, "chat", "TEXT --to TARGET", "says one thing to everyone and exits",
     "Exits when the supernode and its first successor hold it.\n"
     "\n"
     "  thuban chat 'build 812 is green' --to 192.0.2.7:7700 --nick ci\n"},
    {Verb::peers, "peers", "TARGET", "prints who is there and exits",
     "\n  thuban peers 192.0.2.7:7700 --json\n"},
    {Verb::files, "files", "TARGET", "prints what is on offer and exits",
     "\n  thuban files 192.0.2.7:7700\n"},
    {Verb::hash, "hash", "FILE...", "prints each file's hash",
     "The hash is the root of BitTorrent v2 (BEP 52): up to 16 KiB what sha256sum prints.\n"
     "\n"
     "  thuban hash film.mkv\n"},
    {Verb::demo, "demo", "[--step]", "shows on this host what thuban does, in 15 seconds",
     "Starts five nodes, chats, shares a file, kills the supernode, shows what happened.\n"
     "--step waits for a key between the scenes.\n"},
    {Verb::sim, "sim", "[--scenario NAME] [--seed S] [--svg FILE]", "runs a star in the simulator",
     "The same code in a virtual world: the same seed gives the same run. A rule that was broken\n"
     "is told with the command that repeats the run: exit code 1.\n"
     "\n"
     "  --scenario NAME  what is played (story); \"list\" names them all\n"
     "  --nodes N        how many (else the scenario's own number)\n"
     "  --seed S         of all that is drawn (1)\n"
     "  --loss, --delay  of every link: 5%, 30ms (else the seed draws a network)\n"
     "  --duration T     of the part with load and faults, where the scenario has no end\n"
     "  --kill           the story's supernode is killed instead of leaving\n"
     "  --sealed         packets are encrypted, which takes longer\n"
     "  --trace          tells every event and datagram\n"
     "  --svg FILE       draws who was in which epoch, and where a rule broke\n"
     "\n"
     "  thuban sim --nodes 50 --seed 7\n"
     "  thuban sim --scenario split --seed 4 --svg split.svg\n"},
    {Verb::bench, "bench", "[serve | send HOST:PORT | ping HOST:PORT]",
     "measures what MRT carries between two hosts",
     "serve receives and answers until it is interrupted (--bind says where); send and ping\n"
     "call it and print one line of JSON. With nothing behind it: both ends on this host,\n"
     "sealed and plain, as a table. Nobody there within 10 s: exit code 3.\n"
     "\n"
     "  --bytes N     send: so many bytes, or 64k, 10M, 2G\n"
     "  --seconds S   send: for so long instead; what was acknowledged then is counted.\n"
     "                With nothing behind it: the time of each bulk run (2)\n"
     "  --omit S      send: so long before that, which is not counted\n"
     "  --streams N   send: over so many streams (1)\n"
     "  --count N     ping: so many messages (100)\n"
     "  --rate R      ping: so many a second (100)\n"
     "  --size B      ping: bytes of each (100)\n"
     "  --congestion WHICH\n"
     "                model (default) or cubic: what this side sends by\n"
     "\n"
     "  thuban bench serve --bind 0.0.0.0:7702\n"
     "  thuban bench send 192.0.2.7:7702 --bytes 1G\n"
     "  thuban bench ping 192.0.2.7:7702 --count 1000 --rate 100\n"},
    {Verb::rendezvous, "rendezvous", "", "lets networks be found by name, and answers STUN",
     "Supernodes register here, and who knows a network's name and password finds them; both\n"
     "are told of each other at once, so that their NATs open. It learns neither names nor\n"
     "passwords, keeps nothing on a disk, and what a restart forgets comes back within 15 s.\n"
     "Listens at port 7700 and, for STUN, at the one after it.\n"
     "--store redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE] (or THUBAN_STORE): several share "
     "one\n"
     "table by way of a Redis server, without TLS; while it is away each goes on with what it "
     "has.\n"
     "\n"
     "  thuban rendezvous\n"
     "  thuban rendezvous --bind 192.0.2.1:7700 --json\n"
     "  thuban rendezvous --store redis://10.0.0.5:6379\n"},
    {Verb::doctor, "doctor", "[--stun HOST:PORT] [--long]",
     "finds what is in the way, and what mends it",
     "Looks at the kernel's buffers and batches, and asks STUN servers (--stun, repeatable) which\n"
     "address the world sees, which NAT there is, and from where packets come in. Any supernode\n"
     "answers STUN at its own port; a server with two addresses tells the most. --bind says from\n"
     "which port is asked. Servers were named and none answered: exit code 3.\n"
     "\n"
     "  --long  also how long the NAT keeps a mapping that nothing goes through: up to six\n"
     "          minutes; a supernode or thuban rendezvous has to answer\n"
     "\n"
     "  thuban doctor --stun 192.0.2.7:7700 --json\n"
     "  thuban doctor --stun 192.0.2.7:7700 --long\n"},
}};

constexpr std::string_view common_options =
    R"(Options, before or after the command:
  --nick NAME           what others see (default: the login name)
  --bind IP:PORT        listen there; repeatable (default: a free port on every address)
  --network NAME        which network (default: "default")
  --rendezvous HOST:PORT
                        a server (thuban rendezvous) that leads to networks by their
                        name and password or secret; repeatable, any may be down
  --stun HOST:PORT      a server that says how the world sees this node; repeatable;
                        "none": nobody is asked
  --nat auto|none       find out which NAT is in the way, or ask nobody (THUBAN_NAT)
  --password-file FILE  the network's password, which everyone then needs;
                        it may also be in THUBAN_PASSWORD
  --ask-password        the same, typed on the terminal
  --open                anyone can join: encrypted, not authenticated
  --downloads DIR       where received files go (default: the working directory)
  --share DIR           offer every file in DIR and follow its changes
  --no-reshare          do not offer on what was downloaded
  --history N           how many past messages to show on joining
  --state DIR           identity and known peers (default: $XDG_STATE_HOME/thuban)
  --ephemeral           keep nothing
  --no-prompt           do not read standard input; stay until SIGINT or SIGTERM
  --qr                  show the invite as a QR code, too
  --json                events as lines of JSON on standard output
  --quiet               only data and errors
  --no-progress         no progress bars
  --color WHEN          auto, always or never; NO_COLOR is honoured
  --log LEVEL           a time-stamped log: error, warn, info, debug
  --log-file FILE       write it there instead of standard error
  --impair SPEC         a bad link, for the lab: loss=5%,dup=1%,reorder=2%,corrupt=1%,
                        delay=30ms,jitter=5ms,rate=10mbit,seed=7
  --plain               no encryption, for the lab: both sides must say it
  --yes                 ask nothing
  --help, --version     also after a command
)";

// Of these a bench has no use for the most: it is no node.
constexpr std::string_view bench_common_options =
    R"(Of the options of every command these mean something here:
  --bind IP:PORT        listen there, or send from there; repeatable
                        (default: a free port on every address)
  --nick NAME           what serve calls itself in its first line
  --json                errors as lines of JSON too; without a command a line for each run
  --impair SPEC         a bad link, for the lab: loss=5%,dup=1%,reorder=2%,corrupt=1%,
                        delay=30ms,jitter=5ms,rate=10mbit,seed=7
  --plain               no encryption, for the lab: both sides must say it
  --help, --version     also after a command
)";

// It is no node either.
constexpr std::string_view rendezvous_common_options =
    R"(Of the options of every command these mean something here:
  --bind IP:PORT        listen there; repeatable (default: port 7700 on every address)
  --nick NAME           what it calls itself in its first line
  --json                events as lines of JSON on standard output
  --quiet               only errors
  --help, --version     also after a command
)";

constexpr std::string_view exit_codes =
    "Exit codes: 0 done, 1 failed, 2 usage, 3 unreachable or timed out, 4 not allowed,\n"
    "5 integrity, 6 no such file, 7 refused or full, 130 interrupted.\n";

}  // namespace

std::string_view version() { return THUBAN_VERSION; }

std::string help_text(Verb verb) {
  if (verb != Verb::none) {
    const auto row = std::find_if(verbs.begin(), verbs.end(),
                                  [&](const VerbRow& candidate) { return candidate.verb == verb; });
    const bool bare = row->arguments.empty();
    const std::string_view options = verb == Verb::bench        ? bench_common_options
                                     : verb == Verb::rendezvous ? rendezvous_common_options
                                                                : common_options;
    return fmt::format("thuban {}{}{}: {}.\n\n{}\n{}\n{}", row->word, bare ? "" : " ",
                       row->arguments, row->does, row->more, options, exit_codes);
  }
  std::string out =
      "thuban: chat and files among any hosts, in a star that outlives its centre.\n\n"
      "Usage: thuban [OPTIONS] [COMMAND [ARGS]]\n\nCommands:\n";
  for (const VerbRow& row : verbs) {
    const std::string left =
        fmt::format("{} {}", row.word.empty() ? "(none)" : row.word, row.arguments);
    // What is too long for its column has its line to itself.
    const bool wide = left.size() > 28;
    out += fmt::format("  {:<28}  {}{}\n", left, wide ? "\n" + std::string(32, ' ') : "", row.does);
  }
  return fmt::format(
      "{}\n{}\n{}\nAt the prompt, ? lists its commands. `thuban COMMAND --help` "
      "says more about one.\n",
      out, common_options, exit_codes);
}

std::string prompt_help() {
  std::string out;
  for (const CommandRow& row : command_rows()) {
    out +=
        fmt::format("  {:<2} {:<19} {:<9}  {}\n", row.letter, row.words, row.arguments, row.does);
  }
  return out;
}

std::optional<Verb> find_verb(std::string_view word) {
  for (const VerbRow& row : verbs) {
    if (row.word == word && !word.empty()) return row.verb;
  }
  return std::nullopt;
}

std::string verb_words() {
  std::string out;
  for (const VerbRow& row : verbs) out += std::string(row.word) + ' ';
  return out;
}

bool is_later_verb(std::string_view word) {
  static constexpr std::string_view later[] = {"lab"};
  return std::find(std::begin(later), std::end(later), word) != std::end(later);
}

}  // namespace client
