// SPDX-License-Identifier: MIT
#include "stun/uv/redis_store.h"

#include <netdb.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "mrt/base/check.h"
#include "mrt/uv/sockaddr.h"

namespace stun::uv {

std::string RedisServer::name() const {
  const bool six = host.find(':') != std::string::npos;
  return (six ? '[' + host + ']' : host) + ':' + std::to_string(port);
}

struct RedisStore::Resolving {
  uv_getaddrinfo_t request{};
  RedisStore* store = nullptr;  // none once it has gone
};

RedisStore::RedisStore(uv_loop_t* loop, RedisServer server, Actions actions)
    : loop_(loop),
      server_(std::move(server)),
      actions_(std::move(actions)),
      timer_(new uv_timer_t) {
  CHECK(uv_timer_init(loop, timer_) == 0);
  timer_->data = this;
  // From the loop: whoever makes it is not called back yet.
  arm(0, [](RedisStore& store) { store.resolve(); });
}

RedisStore::~RedisStore() {
  close_lines();
  if (resolving_ != nullptr) {
    resolving_->store = nullptr;
    uv_cancel(reinterpret_cast<uv_req_t*>(&resolving_->request));
  }
  uv_close(reinterpret_cast<uv_handle_t*>(timer_),
           [](uv_handle_t* closed) { delete reinterpret_cast<uv_timer_t*>(closed); });
}

void RedisStore::arm(uint64_t milliseconds, void (*due)(RedisStore&)) {
  due_ = due;
  const auto on_timer = [](uv_timer_t* timer) {
    auto& store = *static_cast<RedisStore*>(timer->data);
    store.due_(store);
  };
  uv_timer_start(timer_, on_timer, milliseconds, 0);
}

void RedisStore::await_answer() {
  arm(connect_ms_max, [](RedisStore& store) { store.lose("no answer"); });
}

void RedisStore::resolve() {
  trying_ = true;
  await_answer();
  if (const auto address = mrt::Address::parse(server_.host, server_.port)) {
    addresses_ = {*address};
    return connect();
  }
  // One that takes very long is waited for, not joined by another.
  if (resolving_ != nullptr) return;
  resolving_ = new Resolving;
  resolving_->request.data = resolving_;
  resolving_->store = this;
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_ADDRCONFIG;
  const int error = uv_getaddrinfo(loop_, &resolving_->request, &RedisStore::on_resolved,
                                   server_.host.c_str(), nullptr, &wanted);
  if (error == 0) return;
  delete std::exchange(resolving_, nullptr);
  lose(uv_strerror(error));
}

void RedisStore::on_resolved(uv_getaddrinfo_t* request, int error, addrinfo* first) {
  const std::unique_ptr<Resolving> own(static_cast<Resolving*>(request->data));
  const std::unique_ptr<addrinfo, decltype(&uv_freeaddrinfo)> found(first, &uv_freeaddrinfo);
  if (own->store == nullptr) return;
  RedisStore& store = *own->store;
  store.resolving_ = nullptr;
  // Too late: it is asked anew.
  if (!store.trying_) return;
  if (error != 0) return store.lose(uv_strerror(error));
  for (const addrinfo* one = first; one != nullptr; one = one->ai_next) {
    mrt::Address address = mrt::uv::from_sockaddr(one->ai_addr);
    address.port = store.server_.port;
    store.addresses_.push_back(address);
  }
  store.connect();
}

void RedisStore::connect() {
  if (addresses_.empty()) return lose("the name has no address");
  await_answer();
  const mrt::Address address = addresses_.front();
  addresses_.erase(addresses_.begin());
  for (size_t i = 0; i < lines_count; ++i) {
    std::string why;
    lines_[i] = RedisLine::open(
        loop_, address,
        {[this, i] { on_connected(i); }, [this, i](const StoreReply& reply) { on_reply(i, reply); },
         [this, i](const std::string& lost) {
           lines_[i] = nullptr;
           lose(lost);
         }},
        why);
    if (lines_[i] == nullptr) return lose(why);
  }
}

void RedisStore::on_connected(size_t i) {
  greetings_[i] = 0;
  const auto greet = [&](const std::vector<std::string>& words) {
    lines_[i]->send(words);
    ++greetings_[i];
  };
  if (!server_.user.empty()) {
    greet({"AUTH", server_.user, server_.password});
  } else if (!server_.password.empty()) {
    greet({"AUTH", server_.password});
  }
  // Tells at once where a password is wanted, and where something else than Redis answers.
  greet({"SELECT", std::to_string(server_.database)});
}

void RedisStore::on_reply(size_t i, const StoreReply& reply) {
  if (greetings_[i] == 0) return actions_.on_reply(static_cast<StoreLine>(i), reply);
  if (reply.kind == StoreReply::Kind::error) {
    // Another address of the name is the same server.
    addresses_.clear();
    // Who knows no AUTH repeats what was said.
    const bool repeats =
        !server_.password.empty() && reply.text.find(server_.password) != std::string::npos;
    return lose(repeats ? "it does not take the password" : reply.text);
  }
  if (--greetings_[i] > 0 || ++ready_ < lines_count) return;
  uv_timer_stop(timer_);
  addresses_.clear();
  trying_ = false;
  up_at_ = uv_now(loop_);
  actions_.on_up(lines_[i]->is_near());
}

void RedisStore::send(const StoreCommand& command) {
  RedisLine* const line = lines_[static_cast<size_t>(command.line)];
  if (line != nullptr) line->send(command.words);
}

void RedisStore::close_lines() {
  for (RedisLine*& line : lines_) {
    if (line != nullptr) std::exchange(line, nullptr)->close();
  }
  ready_ = 0;
}

void RedisStore::lose(const std::string& why) {
  const bool was_up = ready_ == lines_count;
  close_lines();
  if (!was_up && !addresses_.empty()) return connect();
  trying_ = false;
  if (was_up && uv_now(loop_) - up_at_ >= steady_ms) pause_ms_ = pause_ms_first;
  arm(pause_ms_, [](RedisStore& store) { store.resolve(); });
  pause_ms_ = std::min(pause_ms_ * 2, pause_ms_max);
  actions_.on_down(why);
}

}  // namespace stun::uv
