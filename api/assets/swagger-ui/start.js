// Shows the document of this server. Answers of "Try it out" come with the session's cookie where there is one; a change
// needs the session's CSRF token as well, which is read anew for each.
async function csrf() {
  const answer = await fetch("/api/v1/me", { credentials: "same-origin" });
  return answer.ok ? (await answer.json()).csrf : undefined;
}

SwaggerUIBundle({
  url: "/api/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  filter: true,
  validatorUrl: null,
  requestInterceptor: async (request) => {
    const changes = !["GET", "HEAD"].includes((request.method ?? "GET").toUpperCase());
    const token = changes && !request.headers.Authorization ? await csrf() : undefined;
    if (token) request.headers["x-tephra-csrf"] = token;
    return request;
  },
});
