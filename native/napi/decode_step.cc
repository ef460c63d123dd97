// SPDX-License-Identifier: Apache-2.0
#include "napi/decode_step.h"

#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/ip.h>

#include <charconv>
#include <map>

#include "napi/decode_nft.h"
#include "napi/reader.h"
#include "sys/errno_name.h"

namespace snnet::napi {
namespace {

constexpr size_t kAliasBytes = 255;    // IFALIASZ less its zero
constexpr size_t kAltNameBytes = 127;  // ALTIFNAMSIZ less its zero
constexpr size_t kPathBytes = 4095;    // PATH_MAX less its zero
constexpr uint32_t kMaxIndex = 0x7fffffff;
constexpr uint32_t kMaxVni = 0xffffff;
constexpr uint32_t kMaxU32 = 0xffffffff;
constexpr uint32_t kMaxUser = 0xfffffffe;  // the last stands for nobody
constexpr uint32_t kMaxQueues = 256;       // MAX_TAP_QUEUES

uint32_t Index(const Reader& from, const char* name = "ifindex") {
  return from.Number(name, 1, kMaxIndex);
}

// What net.ipv4.conf.<link> is to say.
void DecodeIpv4(const Reader& from, rtnl::LinkAttributes& to) {
  struct Setting {
    const char* name;
    uint16_t number;
    uint32_t most;
  };
  static constexpr Setting kSettings[] = {{"arpIgnore", IPV4_DEVCONF_ARP_IGNORE, 8},
                                          {"arpNotify", IPV4_DEVCONF_ARP_NOTIFY, 1},
                                          {"rpFilter", IPV4_DEVCONF_RP_FILTER, 2}};
  if (!from.Has("ipv4")) return;
  const Reader settings = from.Child("ipv4");
  for (const Setting& setting : kSettings) {
    if (const auto value = settings.MaybeNumber(setting.name, 0, setting.most)) {
      to.ipv4.emplace_back(setting.number, *value);
    }
  }
}

rtnl::LinkAttributes DecodeAttributes(const Reader& from) {
  rtnl::LinkAttributes to;
  if (from.Has("address")) to.address = from.MacAddress("address");
  to.mtu = from.MaybeNumber("mtu", 0, kMaxU32);
  to.txqlen = from.MaybeNumber("txqlen", 0, kMaxU32);
  to.master = from.MaybeNumber("master", 0, kMaxIndex);
  to.up = from.MaybeFlag("up");
  to.alias = from.MaybeText("alias", kAliasBytes);
  to.alt_name = from.MaybeText("altName", kAltNameBytes);
  to.hairpin = from.MaybeFlag("hairpin");
  DecodeIpv4(from, to);
  to.no_ipv6_link_local = !from.MaybeFlag("ipv6LinkLocal").value_or(true);
  return to;
}

// ---- the data of each kind

rtnl::KindData DecodeNothing(const Reader&) { return {}; }

rtnl::KindData DecodeVeth(const Reader& from) {
  const Reader peer = from.Child("peer");
  rtnl::VethPeer to;
  to.ifname = peer.LinkName("ifname");
  to.ifindex = Index(peer);
  to.attributes = DecodeAttributes(peer);
  to.netns = peer.MaybeText("netns", kPathBytes).value_or("");
  return to;
}

rtnl::KindData DecodeMacvtap(const Reader& from) {
  static const std::map<std::string, uint32_t> kModes = {{"private", MACVLAN_MODE_PRIVATE},
                                                         {"vepa", MACVLAN_MODE_VEPA},
                                                         {"bridge", MACVLAN_MODE_BRIDGE},
                                                         {"passthru", MACVLAN_MODE_PASSTHRU}};
  const Reader data = from.Child("data");
  const auto mode = kModes.find(data.Text("mode", kLinkNameBytes));
  if (mode == kModes.end()) {
    data.Fail("mode", "private, vepa, bridge or passthru");
    return {};
  }
  return rtnl::Macvtap{mode->second};
}

rtnl::KindData DecodeVxlan(const Reader& from) {
  const Reader data = from.Child("data");
  rtnl::Vxlan to;
  to.vni = data.Number("vni", 0, kMaxVni);
  to.port = static_cast<uint16_t>(data.Number("port", 1, 65535));
  if (data.Has("local")) to.local = data.Address("local");
  if (data.Has("remote")) to.remote = data.Address("remote");
  to.learning = data.MaybeFlag("learning").value_or(true);
  return to;
}

rtnl::KindData DecodeGre(const Reader& from) {
  const Reader data = from.Child("data");
  rtnl::Gre to;
  to.local = data.Address("local");
  to.remote = data.Address("remote");
  to.key = data.Number("key", 0, kMaxU32);
  to.pmtudisc = data.Flag("pmtudisc");
  to.ttl = static_cast<uint8_t>(data.MaybeNumber("ttl", 0, 255).value_or(0));
  return to;
}

rtnl::KindData DecodeGeneve(const Reader& from) {
  const Reader data = from.Child("data");
  rtnl::Geneve to;
  to.vni = data.Number("vni", 0, kMaxVni);
  to.remote = data.Address("remote");
  to.port = static_cast<uint16_t>(data.Number("port", 1, 65535));
  return to;
}

using KindDecoder = rtnl::KindData (*)(const Reader&);
const std::map<std::string, KindDecoder>& KindDecoders() {
  static const std::map<std::string, KindDecoder> decoders = {
      {"bridge", DecodeNothing},  {"dummy", DecodeNothing}, {"veth", DecodeVeth},
      {"macvtap", DecodeMacvtap}, {"vxlan", DecodeVxlan},   {"gretap", DecodeGre},
      {"gre", DecodeGre},         {"geneve", DecodeGeneve}};
  return decoders;
}

// ---- the actions

exec::Action DecodeLinkCreate(const Reader& from) {
  rtnl::LinkSpec to;
  to.ifname = from.LinkName("ifname");
  to.ifindex = Index(from);
  to.kind = from.Text("kind", kLinkNameBytes);
  to.attributes = DecodeAttributes(from);
  to.lower = from.MaybeNumber("link", 1, kMaxIndex);
  const auto decoder = KindDecoders().find(to.kind);
  if (decoder == KindDecoders().end()) {
    from.Fail("kind", "a kind of link that can be created");
  } else {
    to.data = decoder->second(from);
  }
  return to;
}

exec::Action DecodeTapCreate(const Reader& from) {
  exec::CreateTap to;
  to.ifname = from.LinkName("ifname");
  to.ifindex = Index(from);
  to.queues = from.Number("queues", 1, kMaxQueues);
  to.hand_out = from.Flag("handOut");
  to.owner = from.MaybeNumber("owner", 0, kMaxUser);
  to.attributes = DecodeAttributes(from);
  return to;
}

exec::Action DecodeLinkSet(const Reader& from) {
  exec::SetLink to;
  to.ifindex = Index(from);
  to.attributes = DecodeAttributes(from);
  if (from.Has("ifname")) to.attributes.ifname = from.LinkName("ifname");
  return to;
}

exec::Action DecodeTunnelSet(const Reader& from) {
  rtnl::TunnelChange to;
  to.ifindex = Index(from);
  to.kind = from.Text("kind", kLinkNameBytes);
  to.alias = from.MaybeText("alias", kAliasBytes);
  const Reader data = from.Child("data");
  if (to.kind == "gretap" || to.kind == "gre") {
    to.data = std::get<rtnl::Gre>(DecodeGre(from));
  } else if (to.kind == "vxlan") {
    rtnl::Vxlan vxlan;
    if (data.Has("local")) vxlan.local = data.Address("local");
    if (data.Has("remote")) vxlan.remote = data.Address("remote");
    to.data = vxlan;
  } else if (to.kind == "geneve") {
    rtnl::Geneve geneve;
    geneve.remote = data.Address("remote");
    to.data = geneve;
  } else {
    from.Fail("kind", "a kind of tunnel that can be changed");
  }
  return to;
}

exec::DoomedLink DecodeDoomed(const Reader& from) {
  return {Index(from), from.Text("ifname", kLinkNameBytes), from.Text("alias", kAliasBytes)};
}

exec::Action DecodeLinkDelete(const Reader& from) {
  exec::DeleteLinks to;
  for (const Reader& link : from.Children("links")) to.links.push_back(DecodeDoomed(link));
  for (const Reader& bridge : from.MaybeChildren("retire")) {
    to.retire.push_back({DecodeDoomed(bridge), bridge.LinkName("trashName")});
  }
  return to;
}

template <bool kAdd>
exec::Action DecodeAddress(const Reader& from) {
  return exec::Change<rtnl::Address>{kAdd,
                                     {Index(from), from.Address("address"),
                                      static_cast<uint8_t>(from.Number("prefixLength", 0, 32))}};
}

template <bool kAdd>
exec::Action DecodeRoute(const Reader& from) {
  exec::Change<rtnl::Route> to{kAdd, {}};
  const std::string cidr = from.Text("destination", 18);
  const size_t slash = cidr.find('/');
  const std::string address = cidr.substr(0, slash);
  uint8_t length = 33;
  if (slash != std::string::npos) {
    const char* const end = cidr.data() + cidr.size();
    const auto parsed = std::from_chars(cidr.data() + slash + 1, end, length);
    if (parsed.ec != std::errc() || parsed.ptr != end) length = 33;
  }
  if (inet_pton(AF_INET, address.c_str(), &to.entry.destination) != 1 || length > 32) {
    from.Fail("destination", "an IPv4 CIDR");
  }
  to.entry.prefix_length = length;
  to.entry.ifindex = Index(from);
  if (from.Has("via")) to.entry.via = from.Address("via");
  to.entry.metric = from.MaybeNumber("metric", 1, kMaxU32);
  return to;
}

template <bool kAdd>
exec::Action DecodeNeighbour(const Reader& from) {
  return exec::Change<rtnl::Neighbour>{
      kAdd, {Index(from), from.Address("address"), from.HardwareAddress("lladdr")}};
}

template <bool kAdd>
exec::Action DecodeFdb(const Reader& from) {
  exec::Change<rtnl::Fdb> to{kAdd, {Index(from), from.MacAddress("mac"), std::nullopt}};
  if (from.Has("dst")) to.entry.dst = from.Address("dst");
  return to;
}

exec::Action DecodeSysctl(const Reader& from) {
  return exec::SetSysctl{from.Text("name", 255), from.Text("value", 255)};
}

using ActionDecoder = exec::Action (*)(const Reader&);
const std::map<std::string, ActionDecoder>& ActionDecoders() {
  static const std::map<std::string, ActionDecoder> decoders = {
      {"link.create", DecodeLinkCreate},
      {"tap.create", DecodeTapCreate},
      {"link.set", DecodeLinkSet},
      {"tunnel.set", DecodeTunnelSet},
      {"link.delete", DecodeLinkDelete},
      {"address.add", DecodeAddress<true>},
      {"address.delete", DecodeAddress<false>},
      {"route.add", DecodeRoute<true>},
      {"route.delete", DecodeRoute<false>},
      {"neighbour.add", DecodeNeighbour<true>},
      {"neighbour.delete", DecodeNeighbour<false>},
      {"fdb.add", DecodeFdb<true>},
      {"fdb.delete", DecodeFdb<false>},
      {"sysctl.set", DecodeSysctl},
      {"nft", DecodeTransaction},
      {"conntrack.delete", DecodeFlows}};
  return decoders;
}

bool WorksElsewhere(const exec::Action& action) {
  return std::holds_alternative<exec::SetLink>(action) ||
         std::holds_alternative<exec::Change<rtnl::Address>>(action) ||
         std::holds_alternative<exec::Change<rtnl::Route>>(action) ||
         std::holds_alternative<exec::SetSysctl>(action);
}

exec::Step DecodeStep(const Reader& from) {
  exec::Step step;
  const auto decoder = ActionDecoders().find(from.Text("op", 32));
  if (decoder == ActionDecoders().end()) {
    from.Fail("op", "a known operation");
    return step;
  }
  step.action = decoder->second(from);
  step.netns = from.MaybeText("netns", kPathBytes).value_or("");
  if (!step.netns.empty() && !WorksElsewhere(step.action)) {
    from.Fail("netns", "an address, a route, a sysctl or a change of a link");
  }
  for (const std::string& name : from.Strings("tolerate")) {
    const int code = sys::ErrnoValue(name);
    if (code == 0) from.Fail("tolerate", "names of errors");
    step.tolerate.push_back(code);
  }
  return step;
}

exec::Fault DecodeFault(const Reader& from) {
  exec::Fault fault;
  fault.step = from.Number("step", 0, kMaxU32);
  if (from.Has("errno")) {
    fault.error = sys::ErrnoValue(from.Text("errno", 32));
    if (fault.error == 0) from.Fail("errno", "the name of an error");
    if (from.MaybeFlag("done").value_or(false)) fault.kind = exec::Fault::Kind::kLoseAnswer;
    return fault;
  }
  const std::string kill = from.Text("kill", 8);
  if (kill != "before" && kill != "after") from.Fail("kill", "before or after");
  fault.kind = kill == "before" ? exec::Fault::Kind::kKillBefore : exec::Fault::Kind::kKillAfter;
  return fault;
}

}  // namespace

std::optional<exec::Plan> DecodePlan(std::string text, const std::vector<Reader::Bytes>& buffers,
                                     std::string& why) {
  const auto document = sys::JsonDocument::Parse(std::move(text));
  Reader::Failure failure{.text = {}, .buffers = &buffers};
  const Reader root(document ? &document->root() : nullptr, "plan", failure);
  exec::Plan plan;
  const std::vector<Reader> readers = root.Children("steps");
  for (const Reader& from : readers) {
    exec::PlanStep step{DecodeStep(from.Child("step")), std::nullopt};
    if (from.Has("undo")) step.undo = DecodeStep(from.Child("undo"));
    plan.steps.push_back(std::move(step));
  }
  for (size_t i = 0; i + 1 < plan.steps.size(); ++i) {
    if (std::holds_alternative<exec::DeleteLinks>(plan.steps[i].step.action)) {
      readers[i].Fail("step", "no step after a deletion");
    }
  }
  if (root.Has("fault")) plan.fault = DecodeFault(root.Child("fault"));
  if (failure.text.empty()) return plan;
  why = failure.text;
  return std::nullopt;
}

}  // namespace snnet::napi
