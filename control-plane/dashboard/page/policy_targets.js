// What policies are for.

// What a policy is for: {kind, name} of its target or of its parents.
function targetsOf(policy) {
  const spec = policy.spec ?? {};
  return [spec.targetRef, ...(spec.targetRefs ?? []), ...(spec.parentRefs ?? [])].filter(Boolean);
}

export const targetText = (policy) => targetsOf(policy).map((target) => (target.name ? `${target.kind ?? "Service"} ${target.name}` : target.kind)).join(", ") || "–";

// As Concerns() of tullectl: the mesh, the policy's own namespace, or the service by its name.
export function appliesTo(policy, namespace, name) {
  const own = policy.metadata.namespace ?? "default";
  return targetsOf(policy).some((target) => {
    const kind = target.kind ?? "Service";
    if (kind === "Mesh") return true;
    if (kind === "Namespace") return own === namespace;
    return kind === "Service" && target.name === name && (target.namespace ?? own) === namespace;
  });
}

export const policyAddress = (policy) => `#/policies/${[policy.kind, policy.metadata.namespace ?? "default", policy.metadata.name].map(encodeURIComponent).join("/")}`;
