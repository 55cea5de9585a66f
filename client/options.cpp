// SPDX-License-Identifier: MIT
#include "client/options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>

#include "client/command.h"
#include "client/help.h"
#include "client/invite.h"
#include "client/resolve.h"
#include "client/store_url.h"
#include "client/text.h"

namespace client {

namespace {

struct Mistake {
  std::string text;
};

/// What the command line said, before anything of it is understood.
struct Raw {
  std::vector<std::string> bind, rendezvous, stun;
  std::string nick, network, password_file, downloads, share, state, history, nat, impair, log,
      log_file, color, store, to, from, out, nodes, seed, scenario, loss, delay, duration, svg;
  bool ask_password = false, open = false, no_reshare = false, ephemeral = false, no_prompt = false,
       qr = false, plain = false, json = false, quiet = false, no_progress = false, yes = false,
       help = false, version = false, step = false, thorough = false, trace = false, kill = false,
       sealed = false;
  BenchTexts bench;
};

/// CLI11 splits options from words; which words there are is decided below, since a text or a
/// file may be called like a command.
void declare(CLI::App& app, Raw& raw) {
  const auto filled = [](const std::string& text) {
    return text.empty() ? std::string("needs a value") : std::string();
  };
  const auto value = [&](const char* name, std::string& out) {
    app.add_option(name, out)->check(filled);
  };
  const auto list = [&](const char* name, std::vector<std::string>& out) {
    app.add_option(name, out)->expected(1)->take_all()->allow_extra_args(false);
  };
  app.set_help_flag();
  app.add_flag("-h,--help", raw.help);
  app.add_flag("-V,--version", raw.version);
  list("--bind", raw.bind);
  list("--rendezvous", raw.rendezvous);
  list("--stun", raw.stun);
  value("--nick", raw.nick);
  value("--network", raw.network);
  value("--password-file", raw.password_file);
  value("--downloads", raw.downloads);
  value("--share", raw.share);
  value("--state", raw.state);
  value("--history", raw.history);
  value("--nat", raw.nat);
  value("--impair", raw.impair);
  value("--log", raw.log);
  value("--log-file", raw.log_file);
  value("--color,--colour", raw.color);
  value("--store", raw.store);
  value("--to", raw.to);
  value("--from", raw.from);
  value("-o,--out", raw.out);
  value("--nodes", raw.nodes);
  value("--seed", raw.seed);
  value("--scenario", raw.scenario);
  value("--loss", raw.loss);
  value("--delay", raw.delay);
  value("--duration", raw.duration);
  value("--svg", raw.svg);
  raw.bench.declare(value);
  app.add_flag("--ask-password", raw.ask_password);
  app.add_flag("--open", raw.open);
  app.add_flag("--no-reshare", raw.no_reshare);
  app.add_flag("--ephemeral", raw.ephemeral);
  app.add_flag("--no-prompt", raw.no_prompt);
  app.add_flag("--qr", raw.qr);
  app.add_flag("--plain", raw.plain);
  app.add_flag("--json", raw.json);
  app.add_flag("-q,--quiet", raw.quiet);
  app.add_flag("--no-progress", raw.no_progress);
  app.add_flag("-y,--yes", raw.yes);
  app.add_flag("--step", raw.step);
  app.add_flag("--long", raw.thorough);
  app.add_flag("--trace", raw.trace);
  app.add_flag("--kill", raw.kill);
  app.add_flag("--sealed", raw.sealed);
  app.allow_extras();
}

/// The words of the command line; "--" ends the options.
std::vector<std::string> take_words(const CLI::App& app) {
  std::vector<std::string> words;
  bool options_ended = false;
  for (const std::string& word : app.remaining()) {
    if (!options_ended && word == "--") {
      options_ended = true;
    } else if (!options_ended && word.size() > 1 && word[0] == '-') {
      throw Mistake{fmt::format("there is no option '{}'", clean(word, 40))};
    } else {
      words.push_back(word);
    }
  }
  return words;
}

Target required_target(std::string_view text) {
  std::string why;
  const auto target = parse_target(text, why);
  if (!target) throw Mistake{why};
  return *target;
}

uint64_t number_of(std::string_view option, const std::string& text, uint64_t low, uint64_t high) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < low || value > high) {
    throw Mistake{fmt::format("{} takes a number from {} to {}, not '{}'", option, low, high,
                              clean(text, 40))};
  }
  return value;
}

template <class T>
T word_of(std::string_view option, const std::string& text,
          std::initializer_list<std::pair<std::string_view, T>> words) {
  std::string known;
  for (const auto& [word, value] : words) {
    if (text == word) return value;
    known += (known.empty() ? "" : ", ") + std::string(word);
  }
  throw Mistake{fmt::format("{} takes one of {}, not '{}'", option, known, clean(text, 40))};
}

/// What stands behind the command, and how often.
void take_arguments(Options& options, std::vector<std::string> words) {
  const Verb verb = options.verb;
  const auto needs = [&](bool enough, std::string_view what) {
    if (!enough) throw Mistake{fmt::format("{} needs {}", options.verb_text, what)};
  };
  size_t used = 0;
  if (verb == Verb::share || verb == Verb::hash) {
    needs(!words.empty(), "at least one FILE");
    used = words.size();
    options.files = std::move(words);
  } else if (verb == Verb::join || verb == Verb::peers || verb == Verb::files) {
    needs(!words.empty(), "a TARGET: IP:PORT, an invite or a network's name");
    options.target = required_target(words[0]);
    used = 1;
  } else if (verb == Verb::get) {
    needs(!words.empty() && !words[0].empty(), "a NAME or HASH");
    options.what = words[0];
    used = 1;
  } else if (verb == Verb::chat) {
    needs(!words.empty(), "a TEXT");
    for (const std::string& word : words) options.what += (options.what.empty() ? "" : " ") + word;
    needs(!options.what.empty(), "a TEXT");
    used = words.size();
  }
  if (words.size() > used) {
    throw Mistake{fmt::format("'{}' is one argument too many", clean(words[used], 40))};
  }
}

/// --to, --from, --out, --step and so on belong to some commands only.
void take_own_options(Options& options, const Raw& raw) {
  const Verb verb = options.verb;
  const auto only = [&](bool given, std::string_view option, bool fits) {
    if (given && !fits) {
      throw Mistake{
          fmt::format("{} means nothing {}", option,
                      verb == Verb::none ? "without a command" : "for " + options.verb_text)};
    }
  };
  only(!raw.to.empty(), "--to", verb == Verb::share || verb == Verb::chat);
  only(!raw.from.empty(), "--from", verb == Verb::get);
  only(!raw.out.empty(), "--out", verb == Verb::get);
  only(raw.step, "--step", verb == Verb::demo);
  only(raw.thorough, "--long", verb == Verb::doctor);
  only(!raw.store.empty(), "--store", verb == Verb::rendezvous);
  // It serves every network, and learns the password of none.
  const bool password = raw.ask_password || !raw.password_file.empty();
  only(password, "a password", verb != Verb::rendezvous);
  const std::pair<std::string_view, bool> of_sim[] = {{"--nodes", !raw.nodes.empty()},
                                                      {"--seed", !raw.seed.empty()},
                                                      {"--scenario", !raw.scenario.empty()},
                                                      {"--loss", !raw.loss.empty()},
                                                      {"--delay", !raw.delay.empty()},
                                                      {"--duration", !raw.duration.empty()},
                                                      {"--trace", raw.trace},
                                                      {"--svg", !raw.svg.empty()},
                                                      {"--kill", raw.kill},
                                                      {"--sealed", raw.sealed}};
  for (const auto& [option, given] : of_sim) only(given, option, verb == Verb::sim);
  only(!raw.bench.given().empty(), raw.bench.given(), verb == Verb::bench);

  if (!raw.to.empty()) options.target = required_target(raw.to);
  if (!raw.from.empty()) options.target = required_target(raw.from);
  if (verb == Verb::chat && raw.to.empty()) throw Mistake{"chat needs --to TARGET"};
  if (verb == Verb::get && raw.from.empty()) throw Mistake{"get needs --from TARGET"};
  if (!raw.out.empty()) options.out = raw.out;
  options.step = raw.step;
  options.thorough = raw.thorough;
}

void take_sim(SimOptions& sim, const Raw& raw, bool json) {
  if (!raw.nodes.empty()) sim.nodes = number_of("--nodes", raw.nodes, 1, 10'000);
  if (!raw.seed.empty()) sim.seed = number_of("--seed", raw.seed, 0, UINT64_MAX);
  if (!raw.scenario.empty()) sim.scenario = raw.scenario;
  // Loss and delay are written as for --impair.
  std::string link;
  if (!raw.loss.empty()) link += "loss=" + raw.loss + ',';
  if (!raw.delay.empty()) link += "delay=" + raw.delay + ',';
  if (!raw.duration.empty()) link += "jitter=" + raw.duration;
  if (!link.empty()) {
    std::string why;
    const auto spec = parse_impair(link, why);
    if (!spec) throw Mistake{"--loss takes 5% or 0.05, --delay and --duration take 30ms or 2s"};
    using std::chrono::floor, std::chrono::milliseconds;
    if (!raw.loss.empty()) sim.loss = spec->loss;
    if (!raw.delay.empty()) sim.delay = floor<milliseconds>(spec->delay);
    if (!raw.duration.empty()) sim.duration = floor<milliseconds>(spec->jitter);
  }
  sim.kill = raw.kill;
  sim.sealed = raw.sealed;
  sim.trace = raw.trace;
  sim.svg = raw.svg;
  sim.json = json;
}

void take_network(Options& options, const Raw& raw) {
  std::string why;
  for (const std::string& text : raw.bind) {
    const auto address = parse_local(text, why);
    if (!address) throw Mistake{"--bind: " + why};
    options.bind.push_back(*address);
  }
  if (!raw.network.empty()) {
    if (!is_network_name(raw.network)) {
      throw Mistake{fmt::format("--network takes 1 to {} bytes without spaces", network_name_max)};
    }
    options.network = raw.network;
    options.network_given = true;
  }
  if (!options.target || !options.target->network) return;
  const std::string& meant = *options.target->network;
  if (options.network_given && options.network != meant) {
    throw Mistake{fmt::format("--network {} contradicts the target, which is of {}",
                              options.network, clean(meant))};
  }
  options.network = meant;
}

std::string variable(const Environment& environment, const std::string& name) {
  const auto found = environment.find(name);
  return found == environment.end() ? "" : found->second;
}

void take_identity(Options& options, const Raw& raw, const Environment& environment) {
  if (!raw.nick.empty() && !is_nick(raw.nick)) {
    throw Mistake{"--nick takes 1 to 32 characters, none of them a space or control character"};
  }
  options.nick = raw.nick.empty() ? nick_from(variable(environment, "LOGNAME")) : raw.nick;
  options.ephemeral = raw.ephemeral;
  const std::string xdg = variable(environment, "XDG_STATE_HOME");
  const std::string home = variable(environment, "HOME");
  // "All paths set in these environment variables must be absolute. If an implementation
  // encounters a relative path [...] it should consider the path invalid and ignore it."
  // (XDG Base Directory Specification)
  if (!raw.state.empty()) {
    options.state = raw.state;
  } else if (xdg.starts_with('/')) {
    options.state = xdg + "/thuban";
  } else if (home.starts_with('/')) {
    options.state = home + "/.local/state/thuban";
  }
}

std::string_view word_for(PasswordFrom from) {
  switch (from) {
    case PasswordFrom::nowhere:
      return "";
    case PasswordFrom::file:
      return "--password-file";
    case PasswordFrom::variable:
      return "THUBAN_PASSWORD";
    case PasswordFrom::terminal:
      return "--ask-password";
  }
  return "";
}

/// An invite says what its star asks for: what was given beside it must be that.
void check_invited(const Options& options, const mrt::NetworkKey& key) {
  const std::string_view password = word_for(options.password_from);
  if (!password.empty() && key.access != mrt::Access::password) {
    throw Mistake{fmt::format("that network has no password, and {} gives one", password)};
  }
  if (key.access == mrt::Access::open) return;
  const std::string_view kind =
      key.access == mrt::Access::secret ? "for whom it invites" : "for who knows its password";
  if (options.open) throw Mistake{fmt::format("--open contradicts the invite: it is {}", kind)};
  if (options.plain) throw Mistake{fmt::format("--plain contradicts the invite: it is {}", kind)};
}

void take_access(Options& options, const Raw& raw, const Environment& environment) {
  options.password_file = raw.password_file;
  options.open = raw.open;
  options.plain = raw.plain;
  if (const std::string keylog = variable(environment, "THUBAN_KEYLOG"); !keylog.empty()) {
    options.keylog_file = keylog;
  }
  const auto give = [&](bool given, PasswordFrom from) {
    if (!given) return;
    if (options.password_from != PasswordFrom::nowhere) {
      throw Mistake{fmt::format("{} and {} both give a password: leave one out",
                                word_for(options.password_from), word_for(from))};
    }
    options.password_from = from;
  };
  give(!raw.password_file.empty(), PasswordFrom::file);
  give(!variable(environment, "THUBAN_PASSWORD").empty(), PasswordFrom::variable);
  give(raw.ask_password, PasswordFrom::terminal);
  const std::string_view password = word_for(options.password_from);
  if (!password.empty() && options.open) {
    throw Mistake{fmt::format("--open lets anyone in, and {} gives a password", password)};
  }
  if (!password.empty() && options.plain) {
    throw Mistake{fmt::format("--plain knows no passwords, and {} gives one", password)};
  }
  if (options.target && options.target->key) check_invited(options, *options.target->key);
}

void take_looks(Options& options, const Raw& raw, const Environment& environment) {
  options.json = raw.json;
  options.quiet = raw.quiet;
  options.qr = raw.qr;
  options.progress = !raw.no_progress && !raw.quiet;
  options.prompt = !raw.no_prompt;
  options.may_ask = !raw.yes && !raw.json && !raw.no_prompt;
  // no-color.org: "when present and not an empty string (regardless of its value)".
  if (!variable(environment, "NO_COLOR").empty()) options.colour = When::never;
  if (!raw.color.empty()) {
    options.colour = word_of<When>(
        "--color", raw.color,
        {{"auto", When::automatic}, {"always", When::always}, {"never", When::never}});
  }
  if (!raw.log.empty()) {
    options.log = word_of<LogLevel>("--log", raw.log,
                                    {{"error", LogLevel::error},
                                     {"warn", LogLevel::warn},
                                     {"info", LogLevel::info},
                                     {"debug", LogLevel::debug}});
  }
  if (!raw.log_file.empty()) {
    options.log_file = raw.log_file;
    if (raw.log.empty()) options.log = LogLevel::info;
  }
}

void take_rest(Options& options, const Raw& raw, const Environment& environment) {
  if (!raw.downloads.empty()) options.downloads = raw.downloads;
  if (!raw.share.empty()) options.share_folder = raw.share;
  options.reshare = !raw.no_reshare;
  if (!raw.history.empty()) {
    // What a supernode keeps at most (10,000 messages); more cannot be had.
    options.history = number_of("--history", raw.history, 0, 10'000);
  }
  if (!raw.impair.empty()) {
    std::string why;
    options.impair = parse_impair(raw.impair, why);
    if (!options.impair) throw Mistake{"--impair: " + why};
  }
  // Where a list of processes shows no password.
  const std::string store = raw.store.empty() ? variable(environment, "THUBAN_STORE") : raw.store;
  if (options.verb == Verb::rendezvous && !store.empty()) {
    std::string wrong;
    options.store = parse_store(store, wrong);
    if (!options.store) throw Mistake{wrong};
  }
  const std::string nat = raw.nat.empty() ? variable(environment, "THUBAN_NAT") : raw.nat;
  if (!nat.empty()) options.nat = word_of<bool>("--nat", nat, {{"auto", true}, {"none", false}});
  std::string why;
  if (!parse_servers("--stun", raw.stun, options.stun, why)) throw Mistake{why};
  if (!parse_servers("--rendezvous", raw.rendezvous, options.rendezvous, why)) throw Mistake{why};
  for (const mrt::Address& bind : options.bind) {
    if (options.verb == Verb::rendezvous && bind.port == UINT16_MAX)
      throw Mistake{"rendezvous takes the port after that of --bind as well: 65534 at most"};
  }
  // THUBAN_NAT is a default: who names servers wants them asked.
  const bool nobody = !raw.stun.empty() && options.stun.empty();
  options.watch_nat = !nobody && (nat != "none" || !options.stun.empty());
  if (raw.nat == "none" && !options.stun.empty())
    throw Mistake{"--nat none contradicts --stun: leave one out"};
}

/// A bench knows no network, no password and no state: of the common options few mean anything.
void take_bench(Options& options, const Raw& raw, const std::vector<std::string>& words,
                const Environment& environment) {
  // Who says these expects to be alone with those who know it.
  if (!raw.password_file.empty() || raw.ask_password) {
    throw Mistake{"bench takes no password: whoever reaches it may use it"};
  }
  std::string why;
  const auto bench = parse_bench(words, raw.bench, why);
  if (!bench) throw Mistake{why};
  options.bench = *bench;
  options.bench.bind = options.bind;
  options.bench.nick = options.nick;
  options.bench.plain = raw.plain;
  options.bench.json = raw.json;
  options.bench.impair = options.impair;
  if (const std::string keylog = variable(environment, "THUBAN_KEYLOG"); !keylog.empty()) {
    options.bench.keylog_file = keylog;
  }
}

Options understand(const Raw& raw, std::vector<std::string> words, const Environment& environment) {
  Options options;
  if (!words.empty()) {
    options.verb_text = words.front();
    const auto verb = find_verb(options.verb_text);
    if (!verb && is_later_verb(options.verb_text)) {
      throw Mistake{fmt::format("'{}' is not in this version yet", options.verb_text)};
    }
    if (!verb) {
      const std::string near = nearest_word(options.verb_text, verb_words());
      throw Mistake{fmt::format("there is no command '{}'{}", clean(options.verb_text, 40),
                                near.empty() ? "" : fmt::format(". Did you mean '{}'?", near))};
    }
    options.verb = *verb;
    words.erase(words.begin());
  }
  if (raw.help) throw Leave{ExitCode::done, help_text(options.verb)};
  if (options.verb == Verb::bench) {
    take_own_options(options, raw);
    take_network(options, raw);
    take_identity(options, raw, environment);
    take_rest(options, raw, environment);
    take_bench(options, raw, words, environment);
    return options;
  }
  take_arguments(options, std::move(words));
  take_own_options(options, raw);
  take_network(options, raw);
  take_identity(options, raw, environment);
  take_access(options, raw, environment);
  take_looks(options, raw, environment);
  take_rest(options, raw, environment);
  take_sim(options.sim, raw, options.json);
  return options;
}

}  // namespace

bool is_nick(std::string_view nick) {
  size_t count = 0;
  while (!nick.empty()) {
    if (!is_nick_character(take_character(nick))) return false;
    ++count;
  }
  return count >= 1 && count <= 32;
}

std::variant<Options, Leave> parse_options(const std::vector<std::string>& arguments,
                                           const Environment& environment) {
  CLI::App app;
  Raw raw;
  declare(app, raw);
  std::string mistake, about;
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    if (raw.version) return Leave{ExitCode::done, fmt::format("thuban {}\n", version())};
    std::vector<std::string> words = take_words(app);
    if (!words.empty() && find_verb(words.front())) about = words.front() + " ";
    return understand(raw, std::move(words), environment);
  } catch (const Leave& leave) {
    return leave;
  } catch (const Mistake& error) {
    mistake = error.text;
  } catch (const CLI::ParseError& error) {
    mistake = clean(error.what(), 200);
  }
  return Leave{ExitCode::usage,
               fmt::format("thuban: {} (thuban {}--help says more)\n", mistake, about)};
}

}  // namespace client
