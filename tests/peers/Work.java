// pgjdbc's work, told line by line; where to connect to is in PGHOST and the like.
import java.io.*;
import java.sql.*;
import java.util.*;
import org.postgresql.PGConnection;
import org.postgresql.util.*;

public class Work {
    static final String BIG = "SELECT i, repeat(md5(i::text), 20) FROM generate_series(1, 20000) i";

    static void say(Object... what) {
        System.out.println(Arrays.deepToString(what));
    }

    static String told(SQLException e) {
        ServerErrorMessage m = ((PSQLException) e).getServerErrorMessage();
        return m == null ? e.getMessage() : String.join("|", "" + m.getSeverity(), "" + m.getSQLState(), "" + m.getMessage(), "" + m.getDetail(),
            "" + m.getHint(), "" + m.getPosition(), "" + m.getConstraint());
    }

    static List<String> rows(ResultSet r) throws SQLException {
        List<String> rows = new ArrayList<>();
        while (r.next())
            for (int i = 1; i <= r.getMetaData().getColumnCount(); i++) {
                Object o = r.getObject(i);
                rows.add(o instanceof byte[] ? Arrays.toString((byte[]) o) : String.valueOf(o));
            }
        return rows;
    }

    public static void main(String[] args) throws Exception {
        Map<String, String> env = System.getenv();
        String url = "jdbc:postgresql://" + env.get("PGHOST") + ":" + env.get("PGPORT") + "/" + env.get("PGDATABASE")
            + "?sslmode=disable&gssEncMode=disable&prepareThreshold=2";
        try (Connection c = DriverManager.getConnection(url, env.get("PGUSER"), env.get("PGPASSWORD")); Statement s = c.createStatement()) {
            try (PreparedStatement p = c.prepareStatement("SELECT * FROM typed WHERE id <= ? ORDER BY id")) {
                for (int run = 0; run < 6; run++) {
                    p.setInt(1, 2);
                    say("types", rows(p.executeQuery()));
                }
            }
            for (String sql : List.of("SELECT 1/0", "SELECT * FROM nowhere", "INSERT INTO made (n) VALUES (-1)", "SELEC 1"))
                try {
                    s.execute(sql);
                } catch (SQLException e) {
                    say("error", told(e));
                }
            say(rows(s.executeQuery("SELECT tell(7)")), s.getWarnings().getMessage());
            c.setAutoCommit(false);
            try (PreparedStatement p = c.prepareStatement("INSERT INTO made (k, n) VALUES (?, ?)", Statement.RETURN_GENERATED_KEYS)) {
                for (int n = 1; n <= 200; n++) {
                    p.setString(1, "b" + n);
                    p.setInt(2, n);
                    p.addBatch();
                }
                say("batch", p.executeBatch().length, rows(p.getGeneratedKeys()).size());
            }
            c.rollback();
            s.setFetchSize(100);
            say("by a portal", rows(s.executeQuery(BIG)).hashCode());
            c.commit();
            c.setAutoCommit(true);
            var copy = c.unwrap(PGConnection.class).getCopyAPI();
            say("copy in", copy.copyIn("COPY made (k, n) FROM STDIN", new StringReader("c1\t1\nc2\t2\n")));
            StringWriter out = new StringWriter();
            say("copy out", copy.copyOut("COPY (SELECT k, n FROM made ORDER BY k) TO STDOUT", out), out.toString());
            new Thread(() -> {
                try {
                    Thread.sleep(500);
                    s.cancel();
                } catch (Exception e) {
                    say("cancel", e);
                }
            }).start();
            try {
                s.execute("SELECT pg_sleep(60)");
            } catch (SQLException e) {
                say("cancelled", told(e));
            }
            s.execute("LISTEN ch");
            s.execute("NOTIFY ch, 'payload'");
            for (var n : c.unwrap(PGConnection.class).getNotifications(5000))
                say("notify", n.getName(), n.getParameter());
            try (ResultSet t = c.getMetaData().getColumns(null, "public", "%", "%")) {
                while (t.next())
                    say(t.getString(3), t.getString(4), t.getString(6), t.getInt(7));
            }
        }
    }
}
