// SPDX-License-Identifier: MIT
#include "client/resolve.h"

#include <fmt/format.h>
#include <netdb.h>

#include <algorithm>
#include <memory>

#include "client/bench/options.h"
#include "client/text.h"
#include "mrt/uv/sockaddr.h"

namespace client {

bool parse_servers(std::string_view option, const std::vector<std::string>& texts,
                   std::vector<std::string>& out, std::string& why) {
  const bool nobody = std::find(texts.begin(), texts.end(), "none") != texts.end();
  if (nobody && texts.size() > 1) why = fmt::format("{0} none contradicts another {0}", option);
  for (const std::string& text : texts) {
    if (text != "none" && !split_host(text))
      why = fmt::format("{} takes HOST:PORT, not '{}'", option, clean(text, 60));
  }
  if (!nobody) out = texts;
  return why.empty();
}

namespace {

using Found = std::unique_ptr<addrinfo, decltype(&uv_freeaddrinfo)>;

addrinfo hints() {
  addrinfo out{};
  out.ai_socktype = SOCK_DGRAM;
  out.ai_flags = AI_ADDRCONFIG;
  return out;
}

/// What was found under a name, or why nothing was; `error` is libuv's.
std::vector<mrt::Address> addresses_of(const std::string& host_port, uint16_t port, int error,
                                       const Found& found, std::string& why) {
  std::vector<mrt::Address> out;
  if (error != 0) {
    why = fmt::format("{}: {}", clean(host_port, 60), uv_strerror(error));
    return out;
  }
  for (const addrinfo* one = found.get(); one != nullptr; one = one->ai_next) {
    mrt::Address address = mrt::uv::from_sockaddr(one->ai_addr);
    address.port = port;
    const bool known = std::find(out.begin(), out.end(), address) != out.end();
    if (address.is_unicast() && !known) out.push_back(address);
  }
  if (out.empty()) why = fmt::format("{}: nothing can be sent there", clean(host_port, 60));
  return out;
}

/// What it is without anybody being asked: an address, or nothing at all. Else the name.
std::optional<HostPort> name_in(const std::string& host_port, std::vector<mrt::Address>& addresses,
                                std::string& why) {
  if (const auto address = mrt::Address::parse(host_port)) {
    if (address->is_unicast())
      addresses = {*address};
    else
      why = fmt::format("nothing can be sent to {}", address->to_string());
    return std::nullopt;
  }
  const auto parts = split_host(host_port);
  if (!parts) why = fmt::format("{}: no HOST:PORT", clean(host_port, 60));
  return parts;
}

}  // namespace

std::vector<mrt::Address> resolve_all(const std::string& host_port, std::string& why) {
  std::vector<mrt::Address> out;
  const auto name = name_in(host_port, out, why);
  if (!name) return out;
  // Without a callback it waits, and needs no loop that turns.
  uv_loop_t loop;
  uv_loop_init(&loop);
  uv_getaddrinfo_t request{};
  const addrinfo wanted = hints();
  const int error = uv_getaddrinfo(&loop, &request, nullptr, name->host.c_str(), nullptr, &wanted);
  out = addresses_of(host_port, name->port, error, Found(request.addrinfo, &uv_freeaddrinfo), why);
  uv_loop_close(&loop);
  return out;
}

struct Resolver::Job {
  uv_getaddrinfo_t request{};
  Resolver* owner = nullptr;  // none once it has gone
  std::string host_port;
  uint16_t port = 0;
  OnResolved on_resolved;
};

Resolver::~Resolver() {
  for (Job* job : running_) {
    job->owner = nullptr;
    uv_cancel(reinterpret_cast<uv_req_t*>(&job->request));
  }
}

void Resolver::resolve(const std::string& host_port, OnResolved on_resolved) {
  std::string why;
  std::vector<mrt::Address> addresses;
  const auto name = name_in(host_port, addresses, why);
  if (!name) return on_resolved(addresses, why);
  auto job = std::make_unique<Job>();
  job->request.data = job.get();
  job->owner = this;
  job->host_port = host_port;
  job->port = name->port;
  job->on_resolved = std::move(on_resolved);
  const addrinfo wanted = hints();
  const int error = uv_getaddrinfo(loop_, &job->request, &Resolver::on_done, name->host.c_str(),
                                   nullptr, &wanted);
  if (error != 0) {
    addresses = addresses_of(host_port, name->port, error, Found(nullptr, &uv_freeaddrinfo), why);
    return job->on_resolved(addresses, why);
  }
  running_.insert(job.release());
}

void Resolver::on_done(uv_getaddrinfo_t* request, int error, addrinfo* first) {
  const std::unique_ptr<Job> job(static_cast<Job*>(request->data));
  const Found found(first, &uv_freeaddrinfo);
  if (job->owner == nullptr) return;
  job->owner->running_.erase(job.get());
  std::string why;
  const auto addresses = addresses_of(job->host_port, job->port, error, found, why);
  job->on_resolved(addresses, why);
}

}  // namespace client
