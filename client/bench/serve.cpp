// SPDX-License-Identifier: MIT
#include "client/bench/serve.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>

#include "client/bench/protocol.h"
#include "client/bench/report.h"
#include "client/bench/run.h"
#include "client/output.h"
#include "client/session.h"
#include "mrt/uv/clock.h"
#include "node/ids.h"

namespace client {

namespace {

constexpr size_t bulk_chunk_bytes = 256 * 1024;  // one read; the bytes go nowhere
// Of a ping, so that an answer of nine times as much is small.
constexpr size_t ping_chunk_bytes = 4 * 1024;
// What waits to be sent is answers, and those only as fast as they are read.
constexpr size_t answers_bytes_max = 256 * 1024;
constexpr int flush_milliseconds_max = 100;

/// One stream of a client.
struct Served {
  BenchAnswer answer;
  mrt::Bytes unsent;  // of its answer, while the client does not take it
};

/// What a client has done since its last report.
struct Client {
  mrt::Address from;
  bool sealed = false;
  std::map<mrt::StreamId, Served> streams;
  BenchServed done;
  mrt::Instant first{}, last{};
  double cpu_at_first = 0;
};

class Server final : public BenchRole {
 public:
  Server(const BenchOptions& options, bool silent) : options_(options), silent_(silent) {}

  ExitCode run(mrt::uv::Sockets sockets);

  void on_event(BenchRun& run, mrt::Instant now, mrt::Event& event) override;
  void on_turn(BenchRun&) override {}
  void on_interrupt(BenchRun& run, int) override { end(run, ExitCode::done); }

 private:
  void say_listening(BenchRun& run);
  void on_connected(BenchRun& run, mrt::ConnectionId id);
  void read(BenchRun& run, mrt::Instant now, mrt::ConnectionId id, mrt::StreamId stream);
  /// There is room again for answers that were cut short.
  void go_on(BenchRun& run, mrt::Instant now, mrt::ConnectionId id);
  /// Whether all of the answer is on its way.
  bool send_answer(BenchRun& run, mrt::Instant now, mrt::ConnectionId id, mrt::StreamId stream,
                   Served& served);
  void note_bytes(Client& client, mrt::Instant now);
  void on_stream_ended(BenchRun& run, mrt::Instant now, const mrt::StreamEnded& ended);
  void tally(Client& client, const Served& served);
  void report(Client& client);
  void say(const std::string& line);
  void end(BenchRun& run, ExitCode code);

  const BenchOptions& options_;
  bool silent_;
  std::string boot_id_ = boot_id();
  mrt::Bytes chunk_ = mrt::Bytes(bulk_chunk_bytes);
  std::map<mrt::ConnectionId, Client> clients_;
  std::unique_ptr<Output> output_;
  ExitCode code_ = ExitCode::done;
};

ExitCode Server::run(mrt::uv::Sockets sockets) {
  mrt::EndpointConfig config = bench_config(options_, sockets);
  config.connections_max = bench_clients_max;
  config.half_open_max = bench_clients_max;
  config.send_buffer_bytes = answers_bytes_max;
  config.messages_open_max = 1;  // none is sent here
  BenchRun run(*this, std::move(sockets), config, options_);
  if (!silent_) {
    output_ = std::make_unique<Output>(run.loop(), STDOUT_FILENO, [this, &run](int error) {
      if (error != EPIPE) {
        fmt::print(stderr, "thuban: cannot write standard output: {}\n", std::strerror(error));
      }
      end(run, error == EPIPE ? ExitCode::done : ExitCode::failed);
    });
    say_listening(run);
  }
  run.run();
  if (output_) output_->flush(flush_milliseconds_max);
  output_.reset();
  return code_;
}

void Server::say_listening(BenchRun& run) {
  std::vector<mrt::Address> bound;
  for (const auto& socket : run.sockets()) bound.push_back(socket->local());
  const auto reachable = reachable_addresses(bound, mrt::uv::local_addresses());
  say(to_json(Listening{node::node_id_of(run.endpoint().public_key()), options_.nick,
                        reachable.front(), "bench"},
              mrt::uv::wall_clock_ms()));
}

void Server::on_event(BenchRun& run, mrt::Instant now, mrt::Event& event) {
  if (const auto* connected = std::get_if<mrt::Connected>(&event)) {
    on_connected(run, connected->connection);
  } else if (const auto* readable = std::get_if<mrt::Readable>(&event)) {
    read(run, now, readable->connection, readable->stream);
  } else if (const auto* writable = std::get_if<mrt::Writable>(&event)) {
    go_on(run, now, writable->connection);
  } else if (const auto* ended = std::get_if<mrt::StreamEnded>(&event)) {
    on_stream_ended(run, now, *ended);
  } else if (const auto* closed = std::get_if<mrt::Closed>(&event)) {
    if (const auto found = clients_.find(closed->connection); found != clients_.end()) {
      report(found->second);
      clients_.erase(found);
    }
  }
}

void Server::on_connected(BenchRun& run, mrt::ConnectionId id) {
  const auto stats = run.endpoint().stats(id);
  if (!stats) return;
  Client& client = clients_[id];
  client.from = stats->path.remote;
  client.sealed = stats->sealed;
}

void Server::read(BenchRun& run, mrt::Instant now, mrt::ConnectionId id, mrt::StreamId stream) {
  const auto client = clients_.find(id);
  if (client == clients_.end()) return;
  const auto [at, added] =
      client->second.streams.try_emplace(stream, Served{BenchAnswer(boot_id_), {}});
  Served& served = at->second;
  while (send_answer(run, now, id, stream, served)) {
    const size_t room = served.answer.is_bulk() ? bulk_chunk_bytes : ping_chunk_bytes;
    const size_t got = run.endpoint().read(now, id, stream, mrt::MutableBytes(chunk_).first(room));
    if (got == 0) return;
    note_bytes(client->second, now);
    if (!served.answer.on_bytes(now, mrt::ByteView(chunk_).first(got), served.unsent)) {
      run.endpoint().close(now, id, mrt::CloseCode::application, "no bench");
      return;
    }
  }
}

void Server::go_on(BenchRun& run, mrt::Instant now, mrt::ConnectionId id) {
  const auto client = clients_.find(id);
  if (client == clients_.end()) return;
  for (const auto& [stream, served] : client->second.streams) {
    if (!served.unsent.empty()) read(run, now, id, stream);
  }
}

bool Server::send_answer(BenchRun& run, mrt::Instant now, mrt::ConnectionId id,
                         mrt::StreamId stream, Served& served) {
  if (served.unsent.empty()) return true;
  const size_t taken = run.endpoint().write(now, id, stream, served.unsent);
  served.unsent.erase(served.unsent.begin(),
                      served.unsent.begin() + static_cast<std::ptrdiff_t>(taken));
  return served.unsent.empty();
}

void Server::note_bytes(Client& client, mrt::Instant now) {
  client.last = now;
  if (client.first != mrt::Instant{}) return;
  client.first = now;
  client.cpu_at_first = mrt::uv::cpu_seconds();
}

void Server::on_stream_ended(BenchRun& run, mrt::Instant now, const mrt::StreamEnded& ended) {
  const auto client = clients_.find(ended.connection);
  if (client == clients_.end()) return;
  // Who ends its stream has no use for an answer that is still to come.
  run.endpoint().finish(now, ended.connection, ended.stream);
  auto& streams = client->second.streams;
  if (const auto found = streams.find(ended.stream); found != streams.end()) {
    tally(client->second, found->second);
    streams.erase(found);
  }
  if (streams.empty()) report(client->second);
}

void Server::tally(Client& client, const Served& served) {
  client.done.bytes += served.answer.bulk_bytes();
  client.done.messages += served.answer.messages();
}

void Server::report(Client& client) {
  for (const auto& [stream, served] : client.streams) tally(client, served);
  client.streams.clear();
  BenchServed done = std::exchange(client.done, {});
  const mrt::Instant first = std::exchange(client.first, {});
  if (done.bytes == 0 && done.messages == 0) return;
  done.from = client.from;
  done.sealed = client.sealed;
  done.seconds = mrt::to_seconds(client.last - first);
  done.cpu_seconds = mrt::uv::cpu_seconds() - client.cpu_at_first;
  say(to_json(done, mrt::uv::wall_clock_ms()));
}

void Server::say(const std::string& line) {
  if (output_) output_->write(line);
}

void Server::end(BenchRun& run, ExitCode code) {
  code_ = code;
  for (auto& [id, client] : clients_) {
    report(client);
    run.endpoint().close(run.now(), id, mrt::CloseCode::none, "ended");
  }
  clients_.clear();
  say(to_json(Ended{"interrupted"}, mrt::uv::wall_clock_ms()));
  // Output that nobody reads would keep the loop alive.
  if (output_) output_->flush(flush_milliseconds_max);
  run.end();
}

}  // namespace

ExitCode run_bench_serve(const BenchOptions& options) {
  mrt::uv::SocketError error;
  mrt::uv::Sockets sockets = options.bind.empty() ? mrt::uv::open_unspecified(0, {}, error)
                                                  : mrt::uv::open_sockets(options.bind, {}, error);
  if (sockets.empty()) return complain(options, no_sockets(error));
  return Server(options, false).run(std::move(sockets));
}

void serve_bench_silently(const BenchOptions& options, mrt::uv::Sockets sockets) {
  Server(options, true).run(std::move(sockets));
}

}  // namespace client
