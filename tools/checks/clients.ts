// Two phones join one against one and ask until both read the same match, by the client that is generated from docs/openapi.json.
import { Configuration, MusterApi, Status, Ticket } from './index';

const QUEUE = { queue: 'ranked-1v1', region: 'eu', rating: 1500 };
const PATIENCE_MS = 30_000;

function phone(basePath: string, player: string): MusterApi {
    // In place of a token: the local deployment believes this header.
    return new MusterApi(new Configuration({ basePath, apiKey: player }));
}

async function play(api: MusterApi, key: string): Promise<Ticket> {
    let ticket = await api.join({ join: QUEUE, idempotencyKey: key });
    const began = Date.now();
    while (ticket.status !== Status.Matched) {
        if (ticket.proposal && !ticket.proposal.answered) {
            ticket = await api.accept({ matchId: ticket.proposal.matchId });
            continue;
        }
        if (Date.now() - began > PATIENCE_MS) throw new Error(`no match in time: ${JSON.stringify(ticket)}`);
        await new Promise((next) => setTimeout(next, ticket.retryAfterMs ?? 0));
        ticket = await api.poll({ id: ticket.ticketId });
    }
    return ticket;
}

async function main(basePath: string): Promise<void> {
    const phones = ['ann', 'bob'].map((player) => phone(basePath, player));
    const [ann, bob] = await Promise.all(phones.map((api, index) => play(api, `key-${index}`)));
    const players = (ticket: Ticket) => ticket.match?.teams.flat().flatMap((member) => member.players).sort().join(' and ');
    if (players(ann) !== 'ann and bob' || ann.match?.matchId !== bob.match?.matchId) {
        throw new Error(`expected one match of ann and bob, found ${JSON.stringify([ann, bob])}`);
    }
    console.log(`${players(ann)} joined, and both read ${ann.match?.matchId}`);
}

main(process.argv[2]).catch((error) => {
    console.error(error);
    process.exit(1);
});
