#include "sidecar/identity/identity_agent.h"

#include <gtest/gtest.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "certs/authority.h"
#include "certs/csr.h"
#include "certs/spiffe_id.h"
#include "net/grpc/server.h"
#include "net/loop/sim/simulation.h"
#include "net/tls/sim_transports.h"
#include "tulle/ca/v1/ca.pb.h"

namespace tulle::identity {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr char kDomain[] = "cluster.local";
constexpr char kShop[] = "spiffe://cluster.local/ns/default/sa/shop";
constexpr char kSecret[] = "0123456789abcdef";
constexpr int64_t kStart = 1893456000;  // where sim::Simulation's wall clock starts

certs::SpiffeId Account(const std::string& ns, const std::string& account) {
  return *certs::SpiffeId::ForWorkload(kDomain, ns, account);
}

certs::Certificate Issue(const certs::Authority& authority, certs::KeySource& keys,
                         const certs::SpiffeId& id, EVP_PKEY* key, int64_t now,
                         int64_t lifetime = certs::kSvidLifetimeSeconds) {
  return *authority.Issue({.id = id, .public_key = key, .lifetime_seconds = lifetime}, keys, now);
}

// A certificate authority behind gRPC that notes who asked it what with which proof.
class FakeAuthority : private loop::ListenerEvents {
 public:
  FakeAuthority(loop::Loop& loop, const SocketAddress& at, certs::KeySource& keys)
      : loop_(loop), keys_(keys), root_(NewRoot()), server_(loop, services_, {}) {
    told_roots_ = {root_};
    services_.AddUnary(
        "/tulle.ca.v1.CertificateAuthority/GetTrustBundle",
        [this](const grpc::ServerCall& call, const std::string&, auto reply) {
          proofs.emplace_back(call.head().headers.Get(http::HeaderId::kAuthorization));
          ca::v1::GetTrustBundleResponse response;
          for (const auto& root : told_roots_)
            response.add_trust_bundle(root.certificate().ToPem());
          reply->Send(response.SerializeAsString());
        });
    services_.AddUnary("/tulle.ca.v1.CertificateAuthority/CreateCertificate",
                       [this](const grpc::ServerCall& call, const std::string& bytes, auto reply) {
                         reply->Send(Certify(call, bytes));
                       });
    int error = 0;
    listener_ = loop.Listen(at, {}, *this, &error);
  }

  certs::Authority NewRoot() { return *certs::Authority::CreateRoot(kDomain, keys_, kStart); }
  const certs::Authority& root() const { return root_; }
  // The bundle that is told, which need not be one with whose key it signs.
  void TellRoots(std::vector<certs::Authority> roots) { told_roots_ = std::move(roots); }
  void SignWith(certs::Authority root) { root_ = std::move(root); }

  std::vector<std::string> proofs;     // authorization headers, of every call
  std::vector<std::string> certified;  // the identity that each certified caller presented
  std::vector<int64_t> certified_at;
  int64_t lifetime = certs::kSvidLifetimeSeconds;
  int64_t ahead = 0;  // of its clock, in seconds
  bool ignores_labels = false;
  certs::SpiffeId poses_as = Account("tulle-system", "tulle-control");

 private:
  int64_t Now() const { return std::chrono::system_clock::to_time_t(loop_.WallNow()); }
  std::string Certify(const grpc::ServerCall& call, const std::string& bytes) {
    proofs.emplace_back(call.head().headers.Get(http::HeaderId::kAuthorization));
    const PeerIdentity* peer = call.transport().peer();
    certified.push_back(peer == nullptr ? "" : peer->spiffe_id);
    certified_at.push_back(Now());
    ca::v1::CreateCertificateRequest request;
    EXPECT_TRUE(request.ParseFromString(bytes));
    const auto csr = certs::CertificateRequest::Parse(request.csr_pem());
    EXPECT_TRUE(csr.ok()) << csr.status();
    ca::v1::CreateCertificateResponse response;
    response.add_certificate_chain(root_
                                       .Issue({.id = Account("default", "shop"),
                                               .public_key = csr->public_key(),
                                               .lifetime_seconds = lifetime,
                                               .labels = ignores_labels ? "" : csr->labels()},
                                              keys_, Now() + ahead)
                                       ->ToPem());
    for (const auto& root : told_roots_) response.add_trust_bundle(root.certificate().ToPem());
    return response.SerializeAsString();
  }
  void OnAccept(std::unique_ptr<loop::Socket> socket) override {
    certs::PrivateKey key = keys_.Generate();
    std::vector<certs::Certificate> chain = {Issue(root_, keys_, poses_as, key.native(), Now())};
    tls::ServerTlsSpec spec;
    spec.identity =
        std::make_shared<tls::TlsIdentity>(tls::TlsIdentity{std::move(chain), std::move(key)});
    std::vector<certs::Certificate> believed;
    for (const certs::Authority& root : told_roots_) believed.push_back(root.certificate());
    spec.trust = std::make_shared<certs::TrustBundle>(
        certs::TrustBundle::OfDomain(kDomain, std::move(believed)));
    spec.require_client_certificate = false;
    spec.alpn = {"h2"};
    const auto acceptor = tls::SimTransports().NewAcceptor(std::move(spec));
    const TransportAcceptor& accepts = **acceptor;
    server_.Adopt(accepts.Accept(loop_, std::move(socket)));
  }

  loop::Loop& loop_;
  certs::KeySource& keys_;
  certs::Authority root_;
  std::vector<certs::Authority> told_roots_;
  grpc::ServiceRegistry services_;
  grpc::Server server_;
  std::unique_ptr<loop::Listener> listener_;
};

struct Events final : IdentityAgent::Events {
  void OnIdentity(const std::shared_ptr<const Identity>& identity) override {
    identities.push_back(identity);
  }
  void OnIdentityError(const std::string& error) override { errors.push_back(error); }
  bool Told(const std::string& text) const {
    return std::any_of(errors.begin(), errors.end(), [&](const std::string& error) {
      return error.find(text) != std::string::npos;
    });
  }
  // By the reports: "... (N more attempts failed)".
  uint64_t Attempts() const {
    uint64_t attempts = 0;
    for (const std::string& error : errors) {
      const size_t bracket = error.rfind(" (");
      const bool is_repeated = error.ends_with("more attempts failed)");
      attempts += is_repeated ? std::stoull(error.substr(bracket + 2)) : 1;
    }
    return attempts;
  }
  std::vector<std::shared_ptr<const Identity>> identities;
  std::vector<std::string> errors;
};

// One agent and one authority in a world of their own.
class World {
 public:
  explicit World(uint64_t seed = 1)
      : simulation(seed),
        control_loop_(simulation.NewLoop(simulation.AddHost({"10.0.0.3"}))),
        agent_loop_(simulation.NewLoop(simulation.AddHost({"10.0.0.1"}))),
        keys(seed),
        authority(std::make_unique<FakeAuthority>(*control_loop_, kControl, keys)) {
    std::string pattern = testing::TempDir() + "/agent-XXXXXX";
    directory = mkdtemp(pattern.data());
  }
  ~World() {
    agent.reset();
    authority.reset();
    std::filesystem::remove_all(directory);
  }

  // With a new root.
  void RestartAuthority() {
    authority = std::make_unique<FakeAuthority>(*control_loop_, kControl, keys);
  }
  void GiveToken(const std::string& pin) {
    std::ofstream(directory + "/token") << "tulle1." << pin << "." << kSecret << "\n";
  }
  void StartAgent() {
    agent = std::make_unique<IdentityAgent>(
        *agent_loop_, tls::SimTransports(), keys,
        AgentOptions{{kControl}, directory + "/token", directory, roots_file, labels},
        static_cast<IdentityAgent::Events&>(events));
    agent->Start();
  }
  // An SVID on disk, issued so long ago.
  void Store(seconds age, seconds lifetime) {
    certs::PrivateKey key = keys.Generate();
    const certs::Certificate leaf = Issue(authority->root(), keys, Account("default", "shop"),
                                          key.native(), kStart - age.count(), lifetime.count());
    const auto made =
        MakeIdentity(key.ToPem(), leaf.ToPem(), authority->root().certificate().ToPem());
    ASSERT_TRUE(made.ok()) << made.status();
    ASSERT_TRUE(IdentityFile(directory).Save(**made).ok());
  }
  bool SecretWasSent() const {
    return std::any_of(
        authority->proofs.begin(), authority->proofs.end(),
        [](const std::string& proof) { return proof.find(kSecret) != std::string::npos; });
  }
  int64_t Now() const { return std::chrono::system_clock::to_time_t(simulation.WallNow()); }

  const SocketAddress kControl = *SocketAddress::ParseWithPort("10.0.0.3:15012");
  sim::Simulation simulation;

 private:
  std::unique_ptr<loop::Loop> control_loop_, agent_loop_;

 public:
  certs::SeededKeySource keys;
  Events events;
  std::unique_ptr<FakeAuthority> authority;
  std::string directory;
  std::string roots_file;
  certs::WorkloadLabels labels;
  std::unique_ptr<IdentityAgent> agent;
};

TEST(IdentityAgent, FirstContactTurnsTheTokenIntoAnIdentity) {
  World world;
  world.GiveToken(world.authority->root().key().PublicKeyHash());
  world.StartAgent();
  world.simulation.RunFor(seconds(5));
  ASSERT_EQ(world.events.identities.size(), 1) << world.events.errors.front();
  EXPECT_EQ(world.events.identities[0]->spiffe_id, kShop);
  // The roots are asked for without any secret, the certificate with it.
  EXPECT_EQ(world.authority->proofs,
            (std::vector<std::string>{"", std::string("Bearer tulle1.") +
                                              world.authority->root().key().PublicKeyHash() + "." +
                                              kSecret}));
  EXPECT_TRUE(IdentityFile(world.directory).Load().ok());
}

TEST(IdentityAgent, LabelsAreInTheCertificate) {
  World world;
  world.labels = {{"app", "cart"}, {"version", "v2"}};
  world.GiveToken(world.authority->root().key().PublicKeyHash());
  world.StartAgent();
  world.simulation.RunFor(seconds(5));
  ASSERT_EQ(world.events.identities.size(), 1) << world.events.errors.front();
  const auto labels = [](const Identity& identity) {
    return certs::LabelsTextOf(identity.tls->chain.front().native());
  };
  EXPECT_EQ(labels(*world.events.identities[0]), "app=cart,version=v2");
  // A restart with the same ones needs no other certificate; with others it does.
  world.StartAgent();
  world.simulation.RunFor(seconds(5));
  ASSERT_EQ(world.events.identities.size(), 2);
  world.labels = {{"version", "v3"}};
  world.StartAgent();
  EXPECT_EQ(world.events.identities.size(), 3) << "it is used meanwhile";
  world.simulation.RunFor(seconds(5));
  ASSERT_EQ(world.events.identities.size(), 4);
  EXPECT_EQ(labels(*world.events.identities[3]), "version=v3");
  EXPECT_TRUE(world.events.errors.empty()) << world.events.errors.front();
}

TEST(IdentityAgent, AControlPlaneThatDoesNotKnowLabelsIsAskedOnce) {
  World world;
  world.authority->ignores_labels = true;
  world.labels = {{"app", "cart"}};
  world.Store(minutes(1), hours(24));
  world.StartAgent();
  world.simulation.RunFor(hours(1));
  EXPECT_EQ(world.events.identities.size(), 2);
}

TEST(IdentityAgent, AnotherRootThanTheTokensIsRefusedBeforeTheTokenIsSent) {
  World world;
  world.GiveToken(world.authority->NewRoot().key().PublicKeyHash());
  world.StartAgent();
  world.simulation.RunFor(minutes(5));
  EXPECT_TRUE(world.events.identities.empty());
  EXPECT_GT(world.authority->proofs.size(), 3u) << "it is tried again";
  EXPECT_TRUE(world.authority->certified.empty());
  EXPECT_FALSE(world.SecretWasSent());
  EXPECT_TRUE(world.events.Told("the join token was issued by another control plane"));
  EXPECT_FALSE(world.events.Told(kSecret));
}

// Whoever stands in between can copy the real root into its own bundle.
TEST(IdentityAgent, ARealRootBesideAnothersDoesNotOpenTheToken) {
  World world;
  const certs::Authority real = world.authority->NewRoot();
  world.GiveToken(real.key().PublicKeyHash());
  world.authority->TellRoots({world.authority->root(), real});
  world.StartAgent();
  world.simulation.RunFor(minutes(5));
  EXPECT_TRUE(world.events.identities.empty());
  EXPECT_TRUE(world.authority->certified.empty());
  EXPECT_FALSE(world.SecretWasSent());
  EXPECT_FALSE(world.events.errors.empty());
}

TEST(IdentityAgent, AFileThatHoldsNoTokenIsToldWithoutItsContent) {
  World world;
  std::ofstream(world.directory + "/token") << "hunter2";
  world.StartAgent();
  world.simulation.RunFor(seconds(5));
  EXPECT_TRUE(world.events.Told("/token: invalid join token (expected tulle1.HASH.SECRET)"));
  EXPECT_FALSE(world.events.Told("hunter2"));
  EXPECT_TRUE(world.authority->proofs.empty());
}

TEST(IdentityAgent, ARejectedCertificateIsReplacedWithTheToken) {
  World world;
  world.Store(hours(1), hours(24));
  world.GiveToken(world.authority->root().key().PublicKeyHash());
  world.StartAgent();
  world.agent->OnRejected();
  world.agent->OnRejected();  // each connection tells it
  world.simulation.RunFor(seconds(30));
  EXPECT_EQ(world.authority->certified, std::vector<std::string>{""});
  EXPECT_TRUE(world.SecretWasSent());
  EXPECT_EQ(world.events.identities.size(), 2u);
}

// The token has usually expired, and whoever answers need not be the control plane.
TEST(IdentityAgent, ARejectionByMistakeDoesNotEndRenewals) {
  World world;
  world.Store(hours(1), hours(24));
  std::ofstream(world.directory + "/token") << "expired";
  world.StartAgent();
  world.agent->OnRejected();
  world.simulation.RunFor(minutes(5));
  EXPECT_TRUE(world.events.Told("the control plane rejected the certificate"));
  EXPECT_EQ(world.authority->certified, std::vector<std::string>{kShop});
  EXPECT_EQ(world.events.identities.size(), 2u);
}

// In a pod.
class AccountWorld : public World {
 public:
  AccountWorld() {
    roots_file = directory + "/root-cert.pem";
    Write("token", "header.first.signature\n");
    Write("root-cert.pem", authority->root().certificate().ToPem());
  }
  void Write(const char* name, const std::string& text) {
    std::ofstream(directory + "/" + name) << text;
  }
};

TEST(IdentityAgent, AServiceAccountsTokenIsSentToAVerifiedControlPlaneAlone) {
  AccountWorld world;
  world.StartAgent();
  world.simulation.RunFor(seconds(5));
  ASSERT_EQ(world.events.identities.size(), 1u);
  EXPECT_EQ(world.authority->proofs, std::vector<std::string>{"Bearer header.first.signature"});

  AccountWorld other;
  other.Write("root-cert.pem", other.authority->NewRoot().certificate().ToPem());
  other.StartAgent();
  other.simulation.RunFor(minutes(5));
  EXPECT_TRUE(other.events.identities.empty());
  EXPECT_TRUE(other.authority->proofs.empty());
}

TEST(IdentityAgent, AServiceAccountsTokenIsReadAnewForEachRenewal) {
  AccountWorld world;
  world.StartAgent();
  world.simulation.RunFor(seconds(5));
  world.Write("token", "header.second.signature\n");
  world.simulation.RunUntil([&] { return world.authority->certified.size() == 2; }, hours(24));
  EXPECT_EQ(world.authority->proofs.back(), "Bearer header.second.signature");
  EXPECT_EQ(world.authority->certified, (std::vector<std::string>{"", ""}))
      << "the certificate alone renews nothing";
}

TEST(IdentityAgent, MissingAndInvalidFilesOfAPodAreNamed) {
  AccountWorld world;
  std::filesystem::remove(world.directory + "/token");
  world.StartAgent();
  world.simulation.RunFor(seconds(30));
  EXPECT_TRUE(world.events.Told("/token does not exist"));
  world.Write("token", "");
  world.simulation.RunFor(seconds(60));
  EXPECT_TRUE(world.events.Told("/token is empty"));
  world.Write("token", "header.first.signature");
  world.Write("root-cert.pem", "hello");
  world.simulation.RunFor(seconds(90));
  EXPECT_TRUE(world.events.Told("root-cert.pem: invalid roots"));
  world.Write("root-cert.pem", world.authority->root().certificate().ToPem());
  world.simulation.RunFor(seconds(90));
  EXPECT_EQ(world.events.identities.size(), 1u);
}

TEST(IdentityAgent, RenewsByItsCertificateAtHalfOfLifeGiveOrTakeATenth) {
  for (const int64_t lifetime : {int64_t{24 * 3600}, int64_t{600}}) {
    double earliest = 1, latest = 0;
    for (uint64_t seed = 0; seed < 40; ++seed) {
      World world(seed);
      world.authority->lifetime = lifetime;
      world.GiveToken(world.authority->root().key().PublicKeyHash());
      world.StartAgent();
      world.simulation.RunUntil([&] { return world.authority->certified.size() == 2; }, hours(24));
      ASSERT_EQ(world.authority->certified, (std::vector<std::string>{"", kShop}));
      EXPECT_EQ(world.authority->proofs.back(), "") << "the token is not sent again";
      const auto& at = world.authority->certified_at;
      const double part = static_cast<double>(at[1] - at[0]) / static_cast<double>(lifetime);
      earliest = std::min(earliest, part);
      latest = std::max(latest, part);
    }
    EXPECT_GE(earliest, 0.395) << lifetime;
    EXPECT_LE(latest, 0.605) << lifetime;
    EXPECT_LT(earliest, 0.45) << "a fleet must not come all at once";
    EXPECT_GT(latest, 0.55) << "a fleet must not come all at once";
  }
}

TEST(IdentityAgent, Fault41_AStoredIdentityServesWhileTheControlPlaneIsDown) {
  World world;
  world.Store(hours(1), hours(24));
  world.authority.reset();
  world.StartAgent();
  ASSERT_EQ(world.events.identities.size(), 1) << "at once";
  EXPECT_TRUE(world.events.errors.empty());
  // Renewal is tried until the end of its life, and what is valid is kept.
  world.simulation.RunFor(hours(20));
  EXPECT_TRUE(world.events.Told("the control plane cannot be reached"));
  EXPECT_EQ(world.agent->identity(), world.events.identities[0]);
}

TEST(IdentityAgent, Fault41_ARenewalThatFailsIsTriedAgainWithPatience) {
  World world;
  world.Store(hours(1), hours(24));
  world.authority.reset();
  world.StartAgent();
  world.simulation.RunFor(hours(20));
  // For six to eleven hours, with jitter, ten seconds apart at most: neither a storm nor a sleep.
  const uint64_t attempts = world.events.Attempts();
  EXPECT_GT(attempts, 6u * 360);
  EXPECT_LT(attempts, 11u * 800);
  EXPECT_LE(world.events.errors.size(), 11u * 60) << "reported once a minute";
  EXPECT_GT(world.events.errors.size(), 6u * 30);
  EXPECT_EQ(world.events.identities.size(), 1u) << "what is valid stays in use";
}

// What was begun while the certificate was good is ended by what is good then.
TEST(IdentityAgent, Fault41_AfterANightWithoutAControlPlaneATokenOfTheNewRootIsTaken) {
  World world;
  world.Store(hours(13), hours(24));
  world.authority.reset();
  world.StartAgent();
  world.simulation.RunFor(hours(24));
  world.RestartAuthority();
  world.GiveToken(world.authority->root().key().PublicKeyHash());
  world.simulation.RunFor(minutes(2));
  ASSERT_EQ(world.events.identities.size(), 2u);
  EXPECT_GT(world.events.identities.back()->not_after, world.Now());
  EXPECT_EQ(world.authority->certified, std::vector<std::string>{""});
}

TEST(IdentityAgent, Fault43_AClockThatJumpsAheadBringsTheRenewalForward) {
  World world;
  world.GiveToken(world.authority->root().key().PublicKeyHash());
  world.StartAgent();
  world.simulation.RunFor(hours(1));
  ASSERT_EQ(world.authority->certified.size(), 1u);
  world.simulation.ShiftWallClock(hours(15));  // or the machine has slept
  world.simulation.RunFor(minutes(2));
  ASSERT_EQ(world.authority->certified.size(), 2u);
  EXPECT_EQ(world.authority->certified.back(), kShop) << "while the certificate is still good";
}

TEST(IdentityAgent, Fault43_AClockThatGoesBackDelaysNoRenewal) {
  World world;
  world.GiveToken(world.authority->root().key().PublicKeyHash());
  world.StartAgent();
  world.simulation.RunFor(hours(6));
  ASSERT_EQ(world.authority->certified.size(), 1u);
  world.simulation.ShiftWallClock(-hours(1));
  world.simulation.RunFor(hours(9));
  EXPECT_EQ(world.authority->certified.size(), 2u);
}

// In the past nobody proves anything. What is held stays, and the way back is taken at once.
TEST(IdentityAgent, Fault43_TenYearsBackAndAheadAgain) {
  World world;
  world.GiveToken(world.authority->root().key().PublicKeyHash());
  world.StartAgent();
  world.simulation.RunFor(hours(6));
  const hours jump(24 * 3650);
  world.simulation.ShiftWallClock(-jump);
  world.simulation.RunFor(hours(9));
  EXPECT_EQ(world.events.identities.size(), 1u);
  EXPECT_FALSE(world.events.errors.empty());
  world.simulation.ShiftWallClock(jump);
  world.simulation.RunFor(minutes(2));
  EXPECT_EQ(world.authority->certified.back(), kShop) << "by the certificate, which is good again";
  EXPECT_EQ(world.authority->certified.size(), 2u);
}

TEST(IdentityAgent, Fault43_TenYearsAheadAndBackLeaveAGoodIdentity) {
  World world;
  world.GiveToken(world.authority->root().key().PublicKeyHash());
  world.StartAgent();
  world.simulation.RunFor(hours(1));
  const hours jump(24 * 365 * 9);
  world.simulation.ShiftWallClock(jump);
  world.simulation.RunFor(minutes(5));
  EXPECT_GT(world.events.identities.back()->not_after, world.Now());
  world.simulation.ShiftWallClock(-jump);
  world.simulation.RunFor(minutes(5));
  EXPECT_LE(world.events.identities.back()->not_before, world.Now());
  EXPECT_GT(world.events.identities.back()->not_after, world.Now());
}

// Another certificate would begin no sooner.
TEST(IdentityAgent, Fault43_AClockThatIsBehindAsksNoMoreThanOthers) {
  World world;
  world.GiveToken(world.authority->root().key().PublicKeyHash());
  world.authority->ahead = 20 * 60;
  world.StartAgent();
  world.simulation.RunFor(hours(3));
  EXPECT_EQ(world.authority->certified.size(), 1u);
  EXPECT_TRUE(world.events.Told("this host's clock"));
  world.simulation.RunFor(hours(12));
  EXPECT_EQ(world.authority->certified.size(), 2u);
}

// A root's signature is not enough: every workload has that.
TEST(IdentityAgent, Fault68_AWorkloadIsNotTakenForTheControlPlane) {
  World world;
  world.Store(hours(1), hours(24));
  world.authority->poses_as = Account("default", "post");
  world.StartAgent();
  world.simulation.RunFor(hours(20));
  EXPECT_TRUE(world.authority->certified.empty());
  EXPECT_TRUE(world.events.Told("the control plane cannot be reached"));
}

TEST(IdentityAgent, AnExpiredIdentityIsNotServedAndComesBackByToken) {
  World world;
  world.Store(hours(25), hours(24));
  world.GiveToken(world.authority->root().key().PublicKeyHash());
  world.StartAgent();
  EXPECT_TRUE(world.events.identities.empty()) << "what has ended is not handed out";
  world.simulation.RunFor(seconds(5));
  ASSERT_EQ(world.events.identities.size(), 1);
  EXPECT_GT(world.events.identities[0]->not_after, world.Now());
  // The roots are known, so the connection is verified from the start and nothing is presented.
  EXPECT_EQ(world.authority->certified, std::vector<std::string>{""});
  EXPECT_TRUE(world.SecretWasSent());
}

TEST(IdentityAgent, AnExpiredIdentityWithoutATokenTellsTheWayOut) {
  World world;
  world.Store(hours(25), hours(24));
  world.StartAgent();
  world.simulation.RunFor(seconds(5));
  EXPECT_TRUE(world.events.identities.empty());
  EXPECT_TRUE(world.events.Told("/token not found; waiting for it. Create one with"));
  EXPECT_TRUE(world.events.Told("token file "));
  EXPECT_TRUE(world.authority->proofs.empty());
}

TEST(IdentityAgent, Fault42_ANewSigningRootIsFollowedBeforeTheOldOneGoes) {
  World world;
  world.GiveToken(world.authority->root().key().PublicKeyHash());
  world.StartAgent();
  world.simulation.RunFor(seconds(5));
  ASSERT_EQ(world.events.identities.size(), 1);
  const certs::Authority former = world.authority->root();
  const certs::Authority fresh = world.authority->NewRoot();
  const auto pem = [](const certs::Authority& first, const certs::Authority& second) {
    return first.certificate().ToPem() + second.certificate().ToPem();
  };
  // Announced: believed, and the old one still signs first.
  world.agent->SetRoots(pem(former, fresh));
  world.simulation.RunFor(seconds(5));
  EXPECT_EQ(world.authority->certified.size(), 1u);
  // The new one signs.
  world.authority->SignWith(fresh);
  world.authority->TellRoots({fresh, former});
  world.agent->SetRoots(pem(fresh, former));
  world.simulation.RunFor(seconds(5));
  EXPECT_EQ(world.authority->certified.size(), 2u);
  EXPECT_EQ(world.events.identities.back()->roots_pem, pem(fresh, former));
  EXPECT_TRUE(X509_check_issued(fresh.certificate().native(),
                                world.events.identities.back()->tls->chain.front().native()) ==
              X509_V_OK);
}

}  // namespace
}  // namespace tulle::identity
