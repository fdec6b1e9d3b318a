"""PostgreSQL: x."""


def test_own(own_server):
    own_server.execute("CREATE TABLE a (b int)", database="ledger")
    own_server.restart("immediate")
    with own_server.frozen():
        pass
    print(own_server.disconnect_all())
