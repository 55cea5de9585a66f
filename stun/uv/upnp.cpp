// SPDX-License-Identifier: MIT
#include "stun/uv/upnp.h"

#include <miniupnpc/miniupnpc.h>
#include <miniupnpc/upnpcommands.h>
#include <miniupnpc/upnperrors.h>
#include <pthread.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <thread>
#include <utility>

#include "mrt/base/check.h"

namespace stun::uv {

namespace {

// A router answers within some tens of milliseconds; libupnp says three seconds to be sure.
constexpr int discover_milliseconds = 1'000;
// As long as PCP's longest pause (RFC 6887 section 8.1.1).
constexpr std::chrono::seconds retry_time{1'024};
// UPnP's AddPortMapping: another client has the port; only mappings without an end are made.
constexpr int error_conflict = 718;
constexpr int error_permanent_only = 725;
// The same port as inside, then those after it.
constexpr int ports_tried_max = 4;

std::string ip_text(const mrt::Address& address) {
  const std::string text = address.to_string();
  return text.substr(0, text.rfind(':'));
}

/// Whether a URL of HTTP names that very host.
bool is_at(const char* url, const std::string& host) {
  const std::string begin = "http://" + host;
  const std::string text = url == nullptr ? "" : url;
  return text.starts_with(begin) && (text[begin.size()] == ':' || text[begin.size()] == '/');
}

/// The gateway's door, while it is known.
class Igd {
 public:
  Igd() = default;
  ~Igd() {
    if (found_) FreeUPNPUrls(&urls_);
  }
  Igd(const Igd&) = delete;
  Igd& operator=(const Igd&) = delete;

  bool discover(const Gateway& gateway) {
    const std::string host = ip_text(gateway.address);
    int error = 0;
    // A daemon that caches what it heard is not asked: its path is empty.
    UPNPDev* const all =
        upnpDiscover(discover_milliseconds, ip_text(gateway.own).c_str(), "", 0, 0, 1, &error);
    for (UPNPDev* one = all; one != nullptr && !usable_; one = one->pNext) {
      if (!is_at(one->descURL, host)) continue;
      if (std::exchange(found_, false)) FreeUPNPUrls(&urls_);
      UPNPDev* const rest = std::exchange(one->pNext, nullptr);
      char own[64] = "";
#if MINIUPNPC_API_VERSION >= 18
      const int kind = UPNP_GetValidIGD(one, &urls_, &data_, own, sizeof own, nullptr, 0);
#else
      const int kind = UPNP_GetValidIGD(one, &urls_, &data_, own, sizeof own);
#endif
      one->pNext = rest;
      // 1: connected. 2: connected, but its own address is a private one.
      found_ = kind != 0;
      usable_ = (kind == 1 || kind == 2) && is_at(urls_.controlURL, host);
      own_ = own;
    }
    freeUPNPDevlist(all);
    return usable_;
  }

  /// 0, or its error. `external`: what was given before, if its port is not 0.
  int map(uint16_t port, uint32_t life_seconds, mrt::Address& external) {
    char ip[64] = "";
    int error = UPNP_GetExternalIPAddress(urls_.controlURL, data_.first.servicetype, ip);
    const auto address = mrt::Address::parse(ip, external.port == 0 ? port : external.port);
    if (error != 0 || !address) return error == 0 ? -1 : error;
    external = *address;
    for (int tried = 0; tried < ports_tried_max; ++tried) {
      error = add(external.port, port, life_seconds);
      if (error == error_permanent_only) error = add(external.port, port, 0);
      if (error != error_conflict) return error;
      ++external.port;
    }
    return error;
  }

  void unmap(uint16_t external_port) {
    UPNP_DeletePortMapping(urls_.controlURL, data_.first.servicetype,
                           std::to_string(external_port).c_str(), "UDP", nullptr);
  }

 private:
  int add(uint16_t external_port, uint16_t port, uint32_t life_seconds) {
    return UPNP_AddPortMapping(urls_.controlURL, data_.first.servicetype,
                               std::to_string(external_port).c_str(), std::to_string(port).c_str(),
                               own_.c_str(), "thuban", "UDP", nullptr,
                               std::to_string(life_seconds).c_str());
  }

  UPNPUrls urls_{};
  IGDdatas data_{};
  std::string own_;
  bool found_ = false;  // something that has to be freed
  bool usable_ = false;
};

}  // namespace

/// What thread and loop have in common; each may be gone first.
struct Upnp::Shared {
  Gateway gateway;
  uint16_t port = 0;
  uint32_t life_seconds = 0;

  std::mutex mutex;
  std::condition_variable changed;
  uv_async_t* async = nullptr;  // none once the loop's side has gone
  bool unwanted = false, ending = false;
  bool mapped = false, mapping = false, ended = false;
  std::optional<UpnpResult> news;

  void tell(const UpnpResult& result) {
    const std::lock_guard lock(mutex);
    news = result;
    mapped = result.external.has_value();
    mapping = false;
    if (async != nullptr) uv_async_send(async);
  }
  /// Whether there is still something to do after that time.
  bool rest(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex);
    changed.wait_for(lock, time, [this] { return ending; });
    return !ending;
  }
  /// Whether to ask the gateway (again). What is mapped is held, for others know the address.
  bool begins_mapping(bool again) {
    const std::lock_guard lock(mutex);
    mapping = !ending && (again || !unwanted);
    return mapping;
  }

  void run() {
    std::optional<Igd> igd;
    UpnpResult result;
    std::chrono::milliseconds pause{};
    do {
      // What was refused, or is not there any more, is looked for anew.
      if (!result.external) result.found = igd.emplace().discover(gateway);
      if (!begins_mapping(result.external.has_value())) break;
      mrt::Address given = result.external.value_or(mrt::Address{});
      result.refused = result.found ? igd->map(port, life_seconds, given) : 0;
      const bool is_mapped = result.found && result.refused == 0;
      result.external = is_mapped ? std::optional(given) : std::nullopt;
      pause = is_mapped ? std::chrono::milliseconds(int64_t{life_seconds} * 500) : retry_time;
      tell(result);
    } while (rest(pause));
    if (result.external) igd->unmap(result.external->port);
    const std::lock_guard lock(mutex);
    ended = true;
    if (async != nullptr) uv_async_send(async);
  }
};

Upnp::Upnp(uv_loop_t* loop, const Gateway& gateway, uint16_t port, uint32_t life_seconds,
           OnResult on_result)
    : shared_(std::make_shared<Shared>()),
      async_(new uv_async_t),
      on_result_(std::move(on_result)) {
  CHECK(uv_async_init(loop, async_,
                      [](uv_async_t* async) { static_cast<Upnp*>(async->data)->on_news(); }) == 0);
  async_->data = this;
  shared_->gateway = gateway;
  shared_->port = port;
  shared_->life_seconds = life_seconds;
  shared_->async = async_;
  // Signals are the loop's business.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread([shared = shared_] { shared->run(); }).detach();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Upnp::~Upnp() {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->async = nullptr;
    shared_->ending = true;
  }
  shared_->changed.notify_all();
  uv_close(reinterpret_cast<uv_handle_t*>(async_),
           [](uv_handle_t* closed) { delete reinterpret_cast<uv_async_t*>(closed); });
}

void Upnp::on_news() {
  std::optional<UpnpResult> news;
  bool ended = false;
  {
    const std::lock_guard lock(shared_->mutex);
    news = std::exchange(shared_->news, std::nullopt);
    ended = shared_->ended;
  }
  if (news && !on_released_) on_result_(*news);
  if (!ended) return;
  if (const auto done = std::exchange(on_released_, nullptr)) done();
}

void Upnp::do_without() {
  const std::lock_guard lock(shared_->mutex);
  shared_->unwanted = true;
}

void Upnp::release(std::function<void()> done) {
  bool waits = false;
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->ending = true;
    waits = (shared_->mapped || shared_->mapping) && !shared_->ended;
  }
  shared_->changed.notify_all();
  if (!waits) return done();
  on_released_ = std::move(done);
}

}  // namespace stun::uv
